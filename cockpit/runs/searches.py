"""Searches that were begun: what each varies, and which entries of the queue its trials are, a file each"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Mapping
from math import isfinite
from pathlib import Path

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.paths import home, runs_folder
from cockpit.protocol.values import UNREADABLE
from cockpit.runs.folder import RunDir

LIMIT_BYTES = 1 << 22


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """Values by field, and the entry of the queue that trains them. `run` is the id of its run, once it has one.
    `stopped`: whether the search has stopped it for being behind."""

    values: dict[str, int | float | str]
    entry: str
    run: str = ""
    stopped: bool = False


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """`recipe` is resolved YAML, `over` as --over was given. `metric` is what trials are compared by, as evaluations
    have it, and `rises` says whether more of it is better."""

    name: str
    recipe: str
    over: tuple[str, ...]
    metric: str
    rises: bool = False
    trials: tuple[Trial, ...] = ()

    @property
    def id(self) -> str:
        """The same for the same recipe, ranges and metric."""
        text = "\0".join([self.name, self.recipe, *self.over, self.metric])
        return f"s{hashlib.sha256(text.encode()).hexdigest()[:7]}"

    @classmethod
    def named(cls, id: str) -> Search | None:
        """The search that was begun under this id; None where none was, or its file cannot be read."""
        try:
            found = msgspec.json.decode(read_regular(_file_of(id), LIMIT_BYTES, follow=False), type=cls)
        except (OSError, ValueError, *UNREADABLE):
            return None
        return found if found.id == id else None

    def begun(self) -> Search:
        """It as it was left where it was begun before, else itself."""
        return Search.named(self.id) or self

    def best_of(self, measured: Mapping[int, float]) -> float | None:
        """Of the metric by step, as far as it is a finite number; None of none."""
        finite = [value for value in measured.values() if isfinite(value)]
        return (max if self.rises else min)(finite, default=None)

    def take_lock(self) -> int:
        """A descriptor that keeps other processes from going on with it for as long as it is open. Raises
        BlockingIOError where one does, OSError where the lock cannot be written."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(lock)
            raise
        return lock

    def write(self) -> None:
        """Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self.path, msgspec.json.encode(self), mode=0o600)

    @property
    def path(self) -> Path:
        """Its file."""
        return _file_of(self.id)


def _file_of(id: str) -> Path:
    return home() / "searches" / f"{id}.json"


def run_of(trial: Trial) -> RunDir | None:
    """The run that a trial has become."""
    return RunDir(runs_folder() / trial.run) if trial.run else None
