"""One run on disk: its files, its commands, and its engine."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cockpit.disk import open_regular, read_regular, write_atomically
from cockpit.paths import home, runs_folder
from cockpit.protocol import commands
from cockpit.protocol.commands import AnyCommand, UnreadableCommand
from cockpit.protocol.event_log import newest_event
from cockpit.protocol.events import EngineExited
from cockpit.protocol.values import LONGEST_LINE, UNREADABLE
from cockpit.runs.elsewhere import Elsewhere
from cockpit.runs.label import is_name_of
from cockpit.runs.liveness import EngineIdentity, Liveness, Signs
from cockpit.runs.lock_state import LOCK, lock_state
from cockpit.text.plain_text import plain_line, plain_text

_sent = re.compile(r"([0-9]{20})-.+\.json")
"""Name of a command's file: nanoseconds since 1970, and its id."""
LONGEST_IDENTITY = 1 << 16
"""Bytes of engine.json."""


def why_unwritable(error: OSError) -> str:
    """A sentence for a run that could not be written to the disk."""
    place = plain_line(str(home()))
    why = plain_line(error.strerror or str(error))
    return f"Runs cannot be written to {place} ({why}); set COCKPIT_HOME to a folder with room that you may write to."


def id_stem(name: str) -> str:
    """`name` made fit for a folder: with what the ids of its runs begin."""
    return re.sub(r"[^a-z0-9.]+", "-", plain_text(name).lower()).strip("-.")[:60] or "run"


def new_run_id(name: str, now: float | None = None) -> str:
    """`name` made fit for a folder, and the local time: demo-1121-0149; a number follows where that is taken."""
    base = f"{id_stem(name)}-{time.strftime('%m%d-%H%M', time.localtime(now))}"
    run_id, count = base, 1
    while (runs_folder() / run_id).exists():
        count += 1
        run_id = f"{base}-{count}"
    return run_id


@dataclass(frozen=True)
class RunDir:
    """A run's folder. Its name is the run's id."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> RunDir:
        """Make the folder, readable by its owner alone. Raises FileExistsError where there is one."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.mkdir(mode=0o700)
        run = cls(path)
        run.commands.mkdir()
        return run

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def written_recipe(self) -> Path:
        """The recipe before it was fitted to the machine; not there where it is trained as written."""
        return self.path / "recipe.written.yaml"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def gpu(self) -> Path:
        return self.path / "gpu.jsonl"

    @property
    def chat(self) -> Path:
        return self.path / "chat.jsonl"

    @property
    def conversations(self) -> Path:
        """Which prompts the app has put to whom, by conversation."""
        return self.path / "conversations.json"

    @property
    def votes(self) -> Path:
        """Which of base and tuned was found better, by those who did not know which was which."""
        return self.path / "votes.jsonl"

    @property
    def evals(self) -> Path:
        """What lm-evaluation-harness has measured, an evaluation a line."""
        return self.path / "evals.jsonl"

    @property
    def row_losses(self) -> Path:
        """The loss by row, where the recipe asks for it."""
        return self.path / "row_losses.jsonl"

    @property
    def export(self) -> Path:
        """Log of the exports, which processes of their own write."""
        return self.path / "export.jsonl"

    @property
    def commands(self) -> Path:
        return self.path / "commands"

    @property
    def engine_json(self) -> Path:
        return self.path / "engine.json"

    @property
    def heartbeat(self) -> Path:
        return self.path / "heartbeat"

    @property
    def lease(self) -> Path:
        return self.path / "lease"

    @property
    def engine_log(self) -> Path:
        return self.path / "engine.log"

    @property
    def ranks(self) -> Path:
        """What each of several ranks says of itself, and its raw output."""
        return self.path / "ranks"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter"

    @property
    def model(self) -> Path:
        """What full training saves in place of an adapter."""
        return self.path / "model"

    @property
    def gguf(self) -> Path:
        """A GGUF file that is only asked; a run that trains has none."""
        return self.path / "model.gguf"

    @property
    def result(self) -> Path | None:
        """What the run has saved: its adapter, or its whole model; None where it has saved nothing."""
        if (self.adapter / "adapter_config.json").is_file():
            return self.adapter
        return self.model if (self.model / "config.json").is_file() else None

    def why_linked(self) -> str:
        """Which of the files that the run has saved is a link, and may lead to anything, in a sentence; empty where
        none is. The engine itself saves no links."""
        for folder in (self.checkpoints, self.adapter, self.model):
            for path in (folder, *folder.rglob("*")):
                if path.is_symlink():
                    link, target = plain_line(str(path.relative_to(self.path))), plain_line(str(path.readlink()))
                    return (
                        f"In the run {plain_line(self.id)}, {link} is a link to {target}, which is not used: "
                        "put the real file or folder in its place, or remove the link."
                    )
        return ""

    def send(self, command: AnyCommand) -> None:
        """Put a command where the engine looks, atomically. Raises OSError, also where that is a link to elsewhere,
        where the command is longer than the engine reads, and where its host is not heard."""
        elsewhere = Elsewhere.of(self.path)
        if elsewhere is not None and (why := elsewhere.why_not_heard(self.path)):
            raise OSError(f"{why}.")
        if self.commands.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(self.commands))
        content = commands.encode(command)
        if len(content) > LONGEST_LINE:
            raise OSError(errno.EFBIG, f"it is longer than the {LONGEST_LINE >> 20} MiB that an engine reads")
        name = f"{time.time_ns():020d}-{command.id}"
        write_atomically(self.commands / f"{name}.json", content, durable=False)

    def take_commands(self) -> list[AnyCommand | UnreadableCommand]:
        """The commands sent since the last call, oldest first, among them files that are no command of this version.
        Each is taken once; one that is out of reach, as on a network file system, is looked at again next time."""
        taken: list[AnyCommand | UnreadableCommand] = []
        if self.commands.is_symlink():  # files that are taken are removed
            return taken
        for path in sorted(self.commands.glob("[!.]*.json")):
            with suppress(OSError):  # it must not keep the others from being taken
                taken.append(_take_command(path))
        return taken

    def waiting_commands(self) -> list[tuple[Path, AnyCommand | UnreadableCommand]]:
        """The commands that were sent and not taken, each with its file, oldest first; they stay where they are."""
        found: list[tuple[Path, AnyCommand | UnreadableCommand]] = []
        if self.commands.is_symlink():
            return found
        for path in sorted(self.commands.glob("[!.]*.json")):
            with suppress(OSError):
                found.append((path, _read_command(path)))
        return found

    def take_stale_commands(self, before: float) -> list[AnyCommand | UnreadableCommand]:
        """The commands that were sent before then, Unix time in seconds, oldest first, each once. What `send` has not
        named stays, and so does what is out of reach."""
        taken: list[AnyCommand | UnreadableCommand] = []
        if self.commands.is_symlink():
            return taken
        with suppress(OSError):
            for path in sorted(self.commands.iterdir()):
                if (sent := _sent.fullmatch(path.name)) and int(sent[1]) / 1e9 < before:
                    with suppress(OSError):
                        taken.append(_take_command(path))
        return taken

    def touch_lease(self) -> None:
        """Tell the engine that somebody looks at the run. Raises OSError."""
        touch(self.lease)

    def touch_heartbeat(self, at: float | None = None) -> None:
        """Tell readers that the engine lives, or that all of it did `at` that Unix time. Raises OSError."""
        touch(self.heartbeat, at)

    def write_identity(self, identity: EngineIdentity, *, durable: bool = True) -> None:
        """Say whose the events are from now on; `durable`: beyond a power cut too. Raises OSError."""
        write_atomically(self.engine_json, msgspec.json.encode(identity), durable=durable)

    def identity(self) -> EngineIdentity | None:
        """The engine; None before one has started, and where the file is damaged."""
        try:
            return msgspec.json.decode(read_regular(self.engine_json, LONGEST_IDENTITY), type=EngineIdentity)
        except (OSError, *UNREADABLE):
            return None

    def liveness(self) -> Liveness:
        """What can be known of the engine from its files; of a run on another host, what was last heard."""
        elsewhere = Elsewhere.of(self.path)
        return self._signs().liveness() if elsewhere is None else elsewhere.liveness_at(self.path)

    def silence_s(self) -> float:
        """Seconds since the engine's last sign of life; infinite where it has never given one."""
        elsewhere = Elsewhere.of(self.path)
        return self._signs().silence_s if elsewhere is None else elsewhere.silence_at(self.path)

    def _signs(self) -> Signs:
        return Signs(
            identity=self.identity(),
            named_at=modified(self.engine_json),
            beat_at=modified(self.heartbeat),
            made_at=modified(self.path / LOCK) or modified(self.commands),
            lock=lambda: lock_state(self.path),
            has_exited=self._has_exited,
        )

    def _has_exited(self) -> bool:
        """Whether the log ends with the exit of the engine that is named, and not of one before it."""
        newest, identity = newest_event(self.events), self.identity()
        return isinstance(newest, EngineExited) and (identity is None or newest.at >= identity.started)

    def remove(self) -> None:
        """Delete the folder and all in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def all_runs() -> list[RunDir]:
    """Every run on this machine, the last started or resumed first."""
    found = []
    try:
        for path in runs_folder().iterdir():
            if path.name.startswith("."):
                continue  # it is being removed
            run = RunDir(path)
            with suppress(OSError):
                found.append((run.recipe.stat().st_mtime, run))
    except OSError:
        return []
    return [run for _, run in sorted(found, key=lambda dated: dated[0], reverse=True)]


def find_run(name: str) -> RunDir:
    """The run called `name`: an id, a unique beginning of one, or `last`. Raises LookupError with a sentence."""
    runs = all_runs()
    if not runs:
        raise LookupError(
            f"There are no runs in {plain_line(str(runs_folder()))} yet; start one with: cockpit train demo"
        )
    if name == "last":
        return runs[0]
    exact = [run for run in runs if run.id == name]
    matches = exact or [run for run in runs if name and run.id.startswith(name)]  # an unset variable names no run
    if len(matches) == 1:
        return matches[0]
    shown = plain_line(name)
    if matches:
        ids = ", ".join(plain_line(run.id) for run in matches[:5])
        raise LookupError(f"Several runs begin with '{shown}': {ids}. Give more of the id.")
    if why := is_name_of(name, runs):
        raise LookupError(why)
    raise LookupError(f"No run is called '{shown}'; 'cockpit runs' lists all {len(runs)}, and 'last' is the newest.")


def _take_command(path: Path) -> AnyCommand | UnreadableCommand:
    """The command in a file, which is removed. Raises OSError where the file is out of reach or cannot be removed."""
    command = _read_command(path)
    path.unlink()
    return command


def _read_command(path: Path) -> AnyCommand | UnreadableCommand:
    """The command in a file. Raises OSError where the file is out of reach."""
    why, content = "", b""
    try:
        content = read_regular(path, LONGEST_LINE, follow=False)
    except OSError as error:
        if not stat.S_ISREG(path.lstat().st_mode):
            why = "it is not a regular file"
        elif error.errno == errno.EFBIG:
            why = f"it is longer than {LONGEST_LINE >> 20} MiB"
        else:
            raise
    return commands.unreadable(path.name, why) if why else commands.read(content, path.name)


def touch(path: Path, at: float | None = None) -> None:
    """Make the file, or make it new; `at`: as if it was last written then, Unix time in seconds. Raises OSError."""
    descriptor = open_regular(path, os.O_WRONLY | os.O_CREAT, follow=False)
    try:
        os.utime(descriptor, None if at is None else (at, at))
    finally:
        os.close(descriptor)


def modified(path: Path) -> float | None:
    """When a file was last written, Unix time in seconds; None where it is not there or out of reach."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None
