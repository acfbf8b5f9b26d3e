"""python -m cockpit.remote.near_end URL FOLDER: at the desk: keeps a copy of a host's runs beside the others

It asks ssh again and again where the connection is lost, and ends with its stdin.
"""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cockpit.disk import open_regular, write_atomically
from cockpit.protocol import commands
from cockpit.protocol.commands import UnreadableCommand
from cockpit.remote.desk import HostState
from cockpit.remote.far_end import LOGS, SMALL
from cockpit.remote.frames import (
    WHOLE,
    AnyFrame,
    Beat,
    Command,
    Frame,
    FrameReader,
    Have,
    Hello,
    Looking,
    Piece,
    encode,
    is_run_id,
)
from cockpit.remote.host import Host, why_failed
from cockpit.runs.elsewhere import Elsewhere, host_file, local_name
from cockpit.runs.folder import RunDir, modified

TICK_S, LOOK_S, SILENT_S = 0.1, 2.0, 20.0
WAITS_S = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Before each further try to connect."""
LEASE_S = 10.0
KEPT_S = 300.0
"""A command that could not be handed on for so long is dropped: what it was meant for has passed."""
SAID_BYTES = 4096


class NearEnd:
    """`run` follows the host until `stdin` ends."""

    def __init__(self, host: Host, folder: Path, stdin: int) -> None:
        """`folder` is the desk's COCKPIT_HOME."""
        self._host, self._folder, self._stdin = host, folder, stdin
        self._runs: set[str] = set()
        """Ids at the host of those that it has now."""
        self._looked_at = float("-inf")
        self._heard = False
        self._handed: dict[Path, tuple[str, str]] = {}
        """Run and id of each command, by its file, that was sent over this connection and not told to be there."""

    def run(self) -> None:
        """Connect, follow, and connect again."""
        lock = self._wait_for_lock()
        if lock is None:
            return
        tries = 0
        while True:
            self._heard = False
            why = self._follow()
            if why is None:
                return
            tries = 0 if self._heard else tries + 1
            self._tell("waiting", why)
            if self._stdin_ends(WAITS_S[min(tries, len(WAITS_S) - 1)]):
                return

    def _wait_for_lock(self) -> int | None:
        """One process follows a host; another app that shows it reads what that one keeps."""
        path = host_file(self._folder, self._host.name, "lock")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                if self._stdin_ends(1.0):
                    return None

    def _follow(self) -> str | None:
        """Until the connection is lost: why, in a sentence; None where our own stdin has ended."""
        said = host_file(self._folder, self._host.name, "said")
        with said.open("wb") as errors:
            ssh = subprocess.Popen(
                self._host.ssh(["mirror"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        assert ssh.stdin is not None and ssh.stdout is not None
        try:
            why = self.follow(ssh.stdin.fileno(), ssh.stdout.fileno())
        except (OSError, ValueError) as error:
            why = f"What {self._host.name} says is not understood ({error}); are both of the same version?"
            why = "" if isinstance(error, OSError) else why
        ssh.kill()
        ssh.stdin.close()
        ssh.stdout.close()
        status = ssh.wait()
        if why == "":
            text = said.read_bytes()[-SAID_BYTES:].decode(errors="replace")
            why = why_failed(self._host.name, status, text) if status > 0 else f"{self._host.name} is not heard of."
        return why

    def follow(self, sink: int, source: int) -> str | None:
        """The far end at these descriptors, until it goes: empty then; None where our own stdin has ended."""
        reader, last = FrameReader(after_mark=True), time.monotonic()
        self._handed = {}
        _write(sink, Have(sizes=dict(self._sizes())))
        while True:
            ready, _, _ = select.select([source, self._stdin], [], [], TICK_S)
            if self._stdin in ready and not os.read(self._stdin, 1024):
                return None
            if source in ready:
                data = os.read(source, 1 << 18)
                if not data:
                    return ""
                last = time.monotonic()
                for frame in reader.feed(data):
                    self._take(frame)
            elif time.monotonic() - last > SILENT_S:
                return ""
            if self._heard:
                self._hand_on(sink)

    def _sizes(self) -> Iterator[tuple[str, dict[str, int]]]:
        for run, here in self._here():
            sizes = {}
            for name in LOGS:
                with suppress(OSError):
                    sizes[name] = (run.path / name).stat().st_size
            yield here.id, sizes

    def _here(self) -> Iterator[tuple[RunDir, Elsewhere]]:
        """Copies of runs of this host."""
        with suppress(OSError):
            for path in (self._folder / "runs").iterdir():
                found = Elsewhere.of(path)
                if found is not None and found.host == self._host.name:
                    yield RunDir(path), found

    # What the host tells

    def _take(self, frame: AnyFrame) -> None:
        if isinstance(frame, Hello):
            self._heard = True
            write_atomically(host_file(self._folder, self._host.name, "gpus"), frame.gpus, durable=False)
            self._tell("connected")
        elif isinstance(frame, Piece):
            self._put(frame)
        elif isinstance(frame, Beat):
            self._beat(frame)

    def _beat(self, beat: Beat) -> None:
        for run, here in list(self._here()):
            if here.id not in beat.runs:
                run.remove()
        for name, (liveness, silence_s) in beat.runs.items():
            folder = self._local(name)
            if folder is None:
                continue
            now = Elsewhere(host=self._host.name, id=name, liveness=liveness, silence_s=silence_s)
            if now != Elsewhere.of(folder):
                now.write(folder)
        for path, handed in list(self._handed.items()):
            if handed in beat.taken:
                path.unlink(missing_ok=True)
                del self._handed[path]
        self._runs = set(beat.runs)
        self._tell("connected")

    def _local(self, name: str) -> Path | None:
        if not is_run_id(name):
            return None
        folder = self._folder / "runs" / local_name(name, self._host.name)
        if not folder.is_dir():
            (folder / "commands").mkdir(parents=True, mode=0o700)
        return folder

    def _put(self, piece: Piece) -> None:
        folder = self._local(piece.run)
        if folder is None or piece.name not in (*LOGS, *SMALL):
            return
        path = folder / piece.name
        if piece.offset == WHOLE:
            write_atomically(path, piece.data, durable=False)
            at = time.time() - piece.age_s
            os.utime(path, (at, at))
            return
        log = open_regular(path, os.O_WRONLY | os.O_CREAT, follow=False)
        try:
            if piece.offset < os.fstat(log).st_size:
                os.ftruncate(log, piece.offset)
            os.pwrite(log, piece.data, piece.offset)
        finally:
            os.close(log)

    # What it is told

    def _hand_on(self, sink: int) -> None:
        """Commands at once; that somebody looks at a run every two seconds."""
        now = time.time()
        is_due = now - self._looked_at > LOOK_S
        looked = []
        for name in self._runs:
            run = RunDir(self._folder / "runs" / local_name(name, self._host.name))
            if now - (modified(run.lease) or 0.0) < LEASE_S:
                looked.append(name)
                self._hand_on_commands(sink, run, name)
        if is_due:
            self._looked_at = now
            _write(sink, Looking(runs=looked))

    def _hand_on_commands(self, sink: int, run: RunDir, name: str) -> None:
        """Each once a connection, until the host says that it lies before the engine: what a line has taken and lost
        goes over the next one."""
        for path, command in run.waiting_commands():
            is_old = time.time() - (modified(path) or 0.0) > KEPT_S
            if is_old or isinstance(command, UnreadableCommand):
                path.unlink(missing_ok=True)
            elif path not in self._handed:
                _write(sink, Command(run=name, content=commands.encode(command)))
                self._handed[path] = name, command.id

    # What is told of it

    def _tell(self, state: str, why: str = "") -> None:
        HostState(name=self._host.name, state=state, why=why).write(self._folder)

    def _stdin_ends(self, within_s: float) -> bool:
        until = time.monotonic() + within_s
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self._stdin], [], [], left)
            if ready and not os.read(self._stdin, 1024):
                return True
        return False


def _write(sink: int, frame: Frame) -> None:
    content = memoryview(encode(frame))
    while content:
        content = content[os.write(sink, content) :]


def main() -> None:
    """Follow the host that is named."""
    url, folder = sys.argv[1:]
    NearEnd(Host.parse(url), Path(folder), sys.stdin.fileno()).run()


if __name__ == "__main__":
    main()
