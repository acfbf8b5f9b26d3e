"""A run brought home: sent by the host file by file from where the last try ended, and kept once every byte is right"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from cockpit.disk import open_regular
from cockpit.paths import runs_folder
from cockpit.remote.frames import MARK, AnyFrame, Ended, Files, FrameReader, Piece, encode, is_run_id
from cockpit.remote.host import Host, why_failed
from cockpit.remote.pulled import FOLDERS, FilesOf, Pulled, digest_of
from cockpit.remote.replacing import put_in_place
from cockpit.runs import checksums
from cockpit.runs.checkpoint import newest_complete
from cockpit.runs.folder import RunDir

PART_BYTES = 1 << 20
NAMED = (
    "recipe.yaml", "recipe.written.yaml", "events.jsonl", "chat.jsonl", "gpu.jsonl", "export.jsonl", "engine.log",
    "label.json", "conversations.json", "votes.jsonl",
)  # fmt: skip
"""Of the run's folder itself."""


# At the host


def send(run: RunDir, have: dict[str, int], sink: int) -> None:
    """Write the run to `sink`, a descriptor, from where `have` ends for each file. Ended says why not, where not."""
    _write(sink, MARK)
    files = {}
    try:
        for path in _parts(run):
            files[str(path.relative_to(run.path))] = (path.stat().st_size, checksums.sha256(path))
    except OSError as error:
        _write(sink, encode(Ended(why=f"{error.filename} cannot be read ({error.strerror}).")))
        return
    _write(sink, encode(Files(run=run.id, files=files)))
    for name, (size, _) in files.items():
        at = have.get(name, 0)
        at = 0 if at > size else at
        while at < size:
            try:
                data = _part(run.path / name, at, min(PART_BYTES, size - at))
            except OSError as error:  # a checkpoint goes once there are newer ones
                why = f"{name} could not be read any more ({error.strerror}); pull again."
                _write(sink, encode(Ended(why=why)))
                return
            if not data:
                _write(sink, encode(Ended(why=f"{name} has become shorter while it was sent; pull again.")))
                return
            _write(sink, encode(Piece(run=run.id, name=name, offset=at, data=data)))
            at += len(data)
    _write(sink, encode(Ended()))


def _parts(run: RunDir) -> Iterator[Path]:
    """Logs, result, and the newest complete checkpoint."""
    yield from (run.path / name for name in NAMED if (run.path / name).is_file())
    checkpoint, _ = newest_complete(run.checkpoints)
    for folder in (run.result, checkpoint.path if checkpoint is not None else None):
        if folder is not None:
            yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _part(path: Path, at: int, most: int) -> bytes:
    """At most so many bytes of a file, from `at` on. Raises OSError."""
    descriptor = open_regular(path)
    try:
        return os.pread(descriptor, most, at)
    finally:
        os.close(descriptor)


def _write(sink: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(sink, left) :]


# At home


class Parcel:
    """The run called `name` at `host`. What has come of it lies beside the runs until all of it has."""

    def __init__(self, host: Host, name: str) -> None:
        self.host, self.name = host, name
        self.run_id = ""
        self.size = self.done = self.again = 0
        """Bytes: of all files, of those that are here, and of these those that were here before."""
        self._files: FilesOf = {}

    @property
    def partial(self) -> Path:
        """Where it lies until it is whole."""
        safe = "".join(char if char.isalnum() or char in "-._@" else "-" for char in f"{self.host.address}-{self.name}")
        return runs_folder() / f".pull-{safe}"

    def fetch(self, tell: Callable[[], None]) -> None:
        """Bring all files here; `tell` is called as they come. Raises ConnectionError with a sentence where the
        connection is lost, which another call mends; ValueError where the host says why not; OSError where they cannot
        be written."""
        self.partial.mkdir(parents=True, exist_ok=True, mode=0o700)
        have = {
            str(path.relative_to(self.partial)): path.stat().st_size
            for path in self.partial.rglob("*")
            if path.is_file()
        }
        ssh = subprocess.Popen(
            self.host.ssh(["parts", self.name, "--from", "-"], asks=True),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert ssh.stdin is not None and ssh.stdout is not None and ssh.stderr is not None
        reader, self.done = FrameReader(after_mark=True), 0
        with ssh:
            with suppress(BrokenPipeError):
                ssh.stdin.write(msgspec.json.encode(have))
                ssh.stdin.close()
            while data := ssh.stdout.read1(1 << 18):  # type: ignore[attr-defined]
                for frame in reader.feed(data):
                    if isinstance(frame, Ended):
                        if frame.why:
                            raise ValueError(frame.why)
                        return
                    self._take(frame, have)
                    tell()
            said = ssh.stderr.read().decode(errors="replace")
            status = ssh.wait()
        if status == 2:
            raise ValueError(said.strip().splitlines()[-1] if said.strip() else f"There is no run {self.name}.")
        raise ConnectionError(why_failed(self.host.name, status, said))

    def _take(self, frame: AnyFrame, have: dict[str, int]) -> None:
        if isinstance(frame, Files):
            if not is_run_id(frame.run):
                raise ValueError(f"{self.host.name} calls the run {frame.run!r}, which is no id.")
            for name in frame.files:
                if not _may_come(name):
                    raise ValueError(f"{self.host.name} wants to send {name!r}, which is no file of a run.")
            self.run_id, self._files = frame.run, frame.files
            self.size = sum(size for size, _ in frame.files.values())
            for name, size in have.items():
                if name not in frame.files or size > frame.files[name][0]:
                    (self.partial / name).unlink()
                else:
                    self.done += size
            self.again = self.done
        elif isinstance(frame, Piece):
            if frame.name not in self._files:
                raise ValueError(f"{self.host.name} has sent {frame.name!r}, which is no file of the run.")
            path = self.partial / frame.name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.pwrite(descriptor, frame.data, frame.offset)
            finally:
                os.close(descriptor)
            self.done += len(frame.data)

    def wrong(self) -> list[str]:
        """Files that are not as the host has them; these are removed, so that they come again. Raises OSError."""
        found = []
        for name, (size, digest) in self._files.items():
            path = self.partial / name
            if not size and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.touch()
            if not path.is_file() or path.stat().st_size != size or _sha256(path) != digest:
                found.append(name)
                path.unlink(missing_ok=True)
        return found

    def damage(self) -> str:
        """What the host itself has not as it was saved, as a clause; empty where all is well. Reads every byte."""
        run = RunDir(self.partial)
        checkpoint, _ = newest_complete(run.checkpoints)
        for folder in (run.result, checkpoint.path if checkpoint is not None else None):
            if folder is not None and (why := checksums.damage(folder)):
                return f"{folder.name}: {why}"
        return ""

    @property
    def run(self) -> RunDir:
        """Where it is to lie among the runs."""
        return RunDir(runs_folder() / self.run_id)

    def keep(self) -> RunDir | None:
        """Put it among the runs, in place of one that was pulled before. What was made of that one here is kept: with
        it, or in a run of its own, which is returned. Raises OSError."""
        (self.partial / "commands").mkdir(exist_ok=True)
        here = RunDir(self.partial)
        Pulled(at=time.time(), to=self.host.address, digest=digest_of(here), files=self._files).write(here)
        return put_in_place(self.partial, self.run, self._files)


def _may_come(name: str) -> bool:
    """Whether a host may send a file of this name: one that a run has, which lies nowhere but in its folder."""
    folder, *parts = name.split("/")
    is_inside = bool(parts) and all(part not in ("", ".", "..") and "\0" not in part for part in parts)
    return name in NAMED or (folder in FOLDERS and is_inside)


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def tell_host(host: Host, run: RunDir, digest: str) -> str:
    """Tell the host that its run is here and verified; why that did not work, in a sentence, empty where it did."""
    command = ["pulled", run.id, "--digest", digest, "--to", os.uname().nodename]
    told = subprocess.run(host.ssh(command, asks=True), capture_output=True, text=True, check=False)
    return "" if told.returncode == 0 else why_failed(host.name, told.returncode, told.stderr)
