"""The queue: recipes that wait for their turn, a file each, so that no reboot loses one and any terminal can add one"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.paths import home, runs_folder
from cockpit.protocol.values import UNREADABLE
from cockpit.runs.folder import RunDir
from cockpit.text.plain_text import plain_line

LIMIT_BYTES = 1 << 22
LOCK, NEXT = "runner.lock", "next.lock"
"""Held by whoever works through the queue, and by whoever waits to do so."""
LOOKS, LOOK_S = 5, 0.02
"""How often the lock is tried: `is_worked_on` of another process holds it for a moment."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe in the queue. `place` orders it among the others. `run` is the id of the run that it became, empty while
    it waits; `why` says in a sentence why it could not be started, which ends it. `tries`: how often its run was taken
    up after it was lost. `group` is the same for the runs of one grid or search, empty for one by itself. `folder` is
    the one that it was added in, where functions of the user's own are looked for."""

    id: str
    name: str
    recipe: str
    """Resolved YAML, local paths absolute."""
    place: float
    added_at: float
    folder: str = ""
    run: str = ""
    why: str = ""
    tries: int = 0
    group: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether it has neither become a run nor been refused."""
        return not self.run and not self.why

    @property
    def run_dir(self) -> RunDir:
        """The run that it became."""
        return RunDir(runs_folder() / self.run)


class Queue:
    """The entries below one folder, which need not be there. Any number of processes may add, move and remove; one
    works through it."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home() / "queue"

    def entries(self) -> list[Waiting]:
        """All of them, in their order. Files that are no entry of this version are passed over."""
        found = []
        try:
            paths = [path for path in self.folder.iterdir() if path.suffix == ".json" and path.name[0] != "."]
        except OSError:
            return []
        for path in paths:
            try:
                entry = msgspec.json.decode(read_regular(path, LIMIT_BYTES, follow=False), type=Waiting)
            except (OSError, *UNREADABLE):
                continue
            if entry.id == path.stem:
                found.append(entry)
        return sorted(found, key=lambda entry: (entry.place, entry.added_at, entry.id))

    def add(self, name: str, recipe: str, folder: str = "", group: str = "") -> Waiting:
        """Put a recipe at the end. Raises OSError."""
        places = [entry.place for entry in self.entries()]
        place, now = max(places, default=0.0) + 1, time.time()
        entry = Waiting(
            id=f"q{uuid4().hex[:7]}", name=name, recipe=recipe, place=place, added_at=now, folder=folder, group=group
        )
        self.write(entry)
        return entry

    def write(self, entry: Waiting) -> None:
        """Keep an entry as it is now. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self.folder / f"{entry.id}.json", msgspec.json.encode(entry), mode=0o600)

    def move(self, entry: Waiting, to: int) -> None:
        """Give a waiting entry place `to` among those that wait, 1 the first. Raises OSError."""
        others = [one for one in self.entries() if one.is_waiting and one.id != entry.id]
        at = min(max(1, to), len(others) + 1) - 1
        before = others[at - 1].place if at else (others[0].place - 2 if others else 0.0)
        after = others[at].place if at < len(others) else before + 2
        self.write(msgspec.structs.replace(entry, place=(before + after) / 2))

    def remove(self, entry: Waiting) -> None:
        """Take an entry out; a run that it became is left alone. Raises OSError."""
        (self.folder / f"{entry.id}.json").unlink(missing_ok=True)

    def find(self, name: str) -> Waiting:
        """The entry with that id, a beginning of one, or that number among those that wait. Raises LookupError with a
        sentence."""
        entries = self.entries()
        waiting = [entry for entry in entries if entry.is_waiting]
        if name.isdecimal() and len(name) < 6 and 1 <= int(name) <= len(waiting):
            return waiting[int(name) - 1]  # ids begin with a letter
        alike = [entry for entry in entries if name and entry.id.startswith(name)]
        if len(alike) == 1:
            return alike[0]
        why = "Several entries begin with" if alike else "Nothing in the queue is called"
        raise LookupError(f"{why} '{plain_line(name)}'; 'cockpit queue list' shows all.")

    def is_worked_on(self) -> bool:
        """Whether a process works through it just now."""
        try:
            lock = os.open(self.folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(lock)
        return False

    def take_lock(self) -> int:
        """A descriptor that keeps others from working through the queue for as long as it is open. Raises
        BlockingIOError where another process has it, OSError where the folder cannot be written."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for left in reversed(range(LOOKS)):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not left:
                        raise
                    time.sleep(LOOK_S)
        except BaseException:
            os.close(lock)
            raise
        return lock

    def take_turn(self) -> int | None:
        """As `take_lock`, once the process that has it has left off. None where another one waits for that already,
        which will come upon all that was added before. Raises OSError where the folder cannot be written."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        waits = os.open(self.folder / NEXT, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(waits, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
            except BaseException:
                os.close(lock)
                raise
            return lock
        except BlockingIOError:
            return None
        finally:
            os.close(waits)


def new_group() -> str:
    """An id for the runs of one grid."""
    return f"g{uuid4().hex[:7]}"


def grid_of(grids: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Every combination of `KEY=A,B,C`, as (key, value) pairs; a value that is given twice counts once. Raises
    ValueError with a sentence."""
    combined: list[list[tuple[str, str]]] = [[]]
    named: set[str] = set()
    for grid in grids:
        key, equals, values = grid.partition("=")
        found = [*dict.fromkeys(value.strip() for value in values.split(",") if value.strip())]
        if not equals or not key.strip() or not found:
            raise ValueError(f"--grid {plain_line(grid)} names no values; write it as lora.r=8,16,32.")
        if key.strip() in named:
            raise ValueError(f"--grid names {plain_line(key.strip())} twice; give all its values in one: A,B,C.")
        named.add(key.strip())
        combined = [[*one, (key.strip(), value)] for one in combined for value in found]
    return combined
