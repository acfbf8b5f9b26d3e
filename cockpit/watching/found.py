"""What a folder holds of a trainer's files, and which of them tell most of its newest run"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cockpit.watching.entries import Entry
from cockpit.watching.plain_log import PlainLog, is_trainers
from cockpit.watching.tensorboard import EventFile
from cockpit.watching.trainer_state import NAME
from cockpit.watching.wandb_file import WandbFile

DEEPEST, MOST_FILES = 5, 5000
OF_ONE_RUN_S = 900.0
"""Files that were written within this time of each other are taken for one run's."""
LOGS = (".log", ".out", ".err", ".txt")
NEW_LOGS, NEW_S = (".log", ".out", ".err"), 600.0
"""A file of these names that was written so lately may be the log of a trainer that has logged nothing yet."""
NO_LOGS = ("debug.log", "debug-internal.log", "requirements.txt")


class Source(Protocol):
    """One kind of file that a trainer logs to."""

    @property
    def kind(self) -> str: ...
    @property
    def paths(self) -> list[Path]: ...
    @property
    def settings(self) -> dict[str, Any]:
        """The trainer's arguments, as far as they have been read."""
        ...

    @property
    def is_behind(self) -> bool: ...
    def read(self) -> list[Entry]:
        """What is new, a bounded part at a time."""
        ...

    def close(self) -> None: ...


@dataclass
class Found:
    """`source` is what tells most; `log` what was printed besides; `states` are those beside checkpoints."""

    source: Source | None = None
    log: PlainLog | None = None
    states: tuple[Path, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """All that is read."""
        own = [path for one in (self.source, self.log) if one is not None for path in one.paths]
        return [*own, *self.states]


def find(place: Path) -> Found:
    """Look through a folder, or at a single file. TensorBoard and W&B tell the time of each entry; a plain log is taken
    where neither is there. Of several runs it is the one that was written to last."""
    events: dict[Path, list[Path]] = {}
    wandb, states, logs, new = [], [], [], []
    for path in [place] if place.is_file() else _files(place):
        if "tfevents" in path.name:
            events.setdefault(path.parent, []).append(path)
        elif path.suffix == ".wandb":
            wandb.append(path)
        elif path.name == NAME:
            states.append(path)
        elif _may_be_log(path) and (path == place or is_trainers(path)):
            logs.append(path)
        elif _may_be_log(path) and path.suffix in NEW_LOGS and time.time() - written_at(path) < NEW_S:
            new.append(path)
    folder = max(events, key=lambda one: max(map(written_at, events[one])), default=None)
    run, log = max(wandb, key=written_at, default=None), max(logs or new, key=written_at, default=None)
    event_files = sorted(events[folder]) if folder is not None else []
    times = {
        "events": max(map(written_at, event_files), default=0.0),
        "wandb": written_at(run) if run is not None else 0.0,
        "log": written_at(log) if log is not None else 0.0,
    }
    newest = max(times.values())
    chosen = next((name for name, at in times.items() if at and newest - at < OF_ONE_RUN_S), "")
    printed = PlainLog(log) if log is not None and newest - times["log"] < OF_ONE_RUN_S else None
    beside = _of_newest(states)
    if chosen == "events":
        return Found(EventFile(event_files), printed, beside)
    if chosen == "wandb" and run is not None:
        return Found(WandbFile(run), printed, beside)
    return Found(printed, None, beside)


def written_at(path: Path) -> float:
    """When it was last written, Unix time in seconds; 0 where it is out of reach."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def size_of(folder: Path) -> int | None:
    """Bytes of the files in it; None where it has gone, as a checkpoint does that others have followed."""
    size = 0
    try:
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):  # it has gone meanwhile
                size += entry.stat().st_size if entry.is_file() else 0
    except OSError:
        return None
    return size


def _of_newest(states: list[Path]) -> tuple[Path, ...]:
    """Those of the folder of checkpoints that was written to last, the newest last."""
    if not states:
        return ()
    newest = max(states, key=written_at)
    checkpoints = newest.parent.parent if newest.parent.name.startswith("checkpoint-") else newest.parent
    own = [path for path in states if checkpoints in (path.parent, path.parent.parent)]
    return tuple(sorted(own, key=lambda path: (written_at(path), path)))


def _may_be_log(path: Path) -> bool:
    return path.suffix in LOGS and path.name not in NO_LOGS


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder, as far as they can be looked at; links to folders are not followed."""
    count, depth = 0, len(folder.parts)
    for place, folders, names in os.walk(folder):
        if len(Path(place).parts) - depth >= DEEPEST:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            count += 1
            if count > MOST_FILES:
                return
            path = Path(place, name)
            if _is_file(path):
                yield path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may be listed, and not looked into
        return False
