"""That one engine alone writes in a run's folder, for as long as the folder lies where it lay and names no other"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from cockpit.disk import read_regular
from cockpit.engine.errors import RunFailure
from cockpit.runs.engine_lock import name_holder, take_lock
from cockpit.runs.folder import LONGEST_IDENTITY, RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.text.plain_text import plain_line

TAKEN = "Another engine has taken the run up; this one writes nothing more."


class Ownership:
    """An engine's hold on its run's folder: the lock, its identity in the folder, and the folder itself, kept open."""

    def __init__(
        self, run: RunDir, identity: EngineIdentity, lock: int | None = None, *, launcher_holds: bool = False
    ) -> None:
        """`lock` is the folder's, where a starter has handed it on. `launcher_holds`: the process that has started
        several ranks, whose `identity` it is then, has the lock for as long as it lives. Raises RunTaken where another
        engine has it, and OSError where the folder cannot be written."""
        self.run = run
        """Another folder once a standby has been given a run."""
        self._identity = identity
        self._content = msgspec.json.encode(identity)
        self._lock: int | None = None
        if not launcher_holds:
            self._lock = take_lock(run.path) if lock is None else lock
            os.set_inheritable(self._lock, False)
            name_holder(self._lock, identity.pid)
        self._folder = os.open(run.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        run.write_identity(identity)

    def is_lost(self) -> bool:
        """Whether another engine has taken the folder, as it may where this one could not be heard of for minutes."""
        try:
            content = read_regular(self.run.engine_json, LONGEST_IDENTITY)
        except OSError:
            return False
        if content == self._content:
            return False
        named = self.run.identity()
        return named is not None and not named.is_same_process(self._identity)

    def renew(self) -> None:
        """Name this engine again where its engine.json is missing or damaged. Raises OSError."""
        if self.run.identity() is None:
            self.run.write_identity(self._identity)

    def name_ranks(self, pids: tuple[int, ...]) -> None:
        """The engine's ranks are these processes. Raises OSError."""
        if pids != self._identity.ranks and not self.is_lost():
            self._identity = msgspec.structs.replace(self._identity, ranks=pids)
            self._content = msgspec.json.encode(self._identity)
            self.run.write_identity(self._identity, durable=False)

    def folder_gone(self) -> RunFailure | None:
        """What to end the run with where the folder was moved or deleted; None where it lies as it lay."""
        try:
            if os.path.samestat(self.run.path.stat(), os.fstat(self._folder)):
                return None
        except OSError as error:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                return None  # out of reach, as on a network file system, is not gone
        was, place = plain_line(str(self.run.path)), str(Path(f"/proc/self/fd/{self._folder}").readlink())
        if place.endswith(" (deleted)") or os.fstat(self._folder).st_nlink == 0:
            return RunFailure(f"The run's folder {was} was deleted during the run; nothing more is saved.")
        return RunFailure(
            f"The run's folder was moved during the run: it lies in {plain_line(place)}, and nothing more is saved.",
            f"Move it back to {was} to resume from its newest checkpoint.",
        )

    def check(self) -> None:
        """Before something is saved. Raises RunFailure where it would land in another engine's folder, or nowhere."""
        if self.is_lost():
            raise RunFailure(TAKEN)
        if gone := self.folder_gone():
            raise gone

    def hand_on(self) -> int:
        """The lock, for the engine that this process becomes next."""
        assert self._lock is not None  # several ranks are handed on by nobody
        os.set_inheritable(self._lock, True)
        os.close(self._folder)
        return self._lock

    def release(self) -> None:
        """Let other engines in. Where the folder was moved or deleted while something was saved, that has made folders
        anew in its old place, which are empty by now: they go too."""
        if self.folder_gone() is not None:
            for remains in (self.run.checkpoints, self.run.path):
                with contextlib.suppress(OSError):  # it holds something: whoever moved the run has put that there
                    remains.rmdir()
        if self._lock is not None:
            os.close(self._lock)
        os.close(self._folder)
