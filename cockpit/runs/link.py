"""How a reader reaches a run: RunLink (live or past), ReplayLink (a recording in its own time)"""

from __future__ import annotations

import heapq
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from cockpit.protocol.commands import AnyCommand
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import AnyEvent, EngineExited, EngineStarted
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import Liveness

LEASE_EVERY_S = 2.0
"""How often a reader tells the engine that somebody is there."""
NEWEST_READINGS_BYTES = 1 << 20
"""Some hundred readings of eight GPUs, some thousand of one."""
MOVES_WITHIN_S = 60.0
"""How long a folder that an engine moves is waited for."""


class Link(Protocol):
    """A run, as its readers see it."""

    @property
    def run(self) -> RunDir: ...

    @property
    def is_behind(self) -> bool:
        """Whether the last poll has probably left more behind, which can be read at once."""
        ...

    def poll(self) -> list[AnyEvent]:
        """What has happened since the last call, a bounded part of it at a time; empty at the end. Never waits."""
        ...

    def send(self, command: AnyCommand) -> None:
        """Ask the engine for something. Raises OSError where the run cannot take it."""
        ...

    def liveness(self) -> Liveness:
        """What is known of the engine."""
        ...

    def silence_s(self) -> float:
        """Seconds since whoever trains has last given a sign of life."""
        ...

    def close(self) -> None:
        """Let the run go; the run itself goes on."""
        ...


class RunLink:
    """Reads a run that an engine writes, or has written."""

    def __init__(self, run: RunDir, *, all_readings: bool = False) -> None:
        """Of the machine's readings that are there already only the newest are read, or all where `all_readings`."""
        self._run = run
        readings_bytes = None if all_readings else NEWEST_READINGS_BYTES
        self._readers = [EventReader(path, readings_bytes if path == run.gpu else None) for path in _logs(run)]
        self._exports: list[AnyEvent] = []
        """Those read that are younger than what has been read of the run's own events."""
        self._exited = False
        self._leased_at = 0.0
        self._moved_at = float("-inf")

    @property
    def run(self) -> RunDir:
        """The run's folder; another one after a standby has been given a run."""
        return self._run

    def poll(self) -> list[AnyEvent]:
        """New events of the run and its exports, by their time, then its readings and its chat, each log in its order.

        Touches the reader's lease.
        """
        if time.monotonic() - self._leased_at > LEASE_EVERY_S:
            self._leased_at = time.monotonic()
            try:
                self._run.touch_lease()
            except OSError:
                pass  # a run on a read-only disk can be read all the same
        happened, readings, chat, exports = [reader.poll() for reader in self._readers]
        lives = [event for event in happened if type(event) in (EngineStarted, EngineExited)]
        if lives:
            self._exited = isinstance(lives[-1], EngineExited)
        return [*self._with_exports(happened, exports), *readings, *chat]

    @property
    def is_behind(self) -> bool:
        """Whether the last poll has probably left more behind, which can be read at once."""
        return any(reader.is_behind for reader in self._readers)

    def _with_exports(self, happened: list[AnyEvent], exports: list[AnyEvent]) -> Iterable[AnyEvent]:
        """The run's new events and, among them, the exports of their time; a run that was exported may have gone on."""
        if not exports and not self._exports:
            return happened
        self._exports += exports
        due = len(self._exports)
        if self._readers[0].is_behind:
            newest = happened[-1].at if happened else 0.0
            due = next((at for at, event in enumerate(self._exports) if event.at > newest), due)
        told, self._exports = self._exports[:due], self._exports[due:]
        return heapq.merge(happened, told, key=lambda event: event.at)

    def send(self, command: AnyCommand) -> None:
        """Put the command into the run's folder. Raises OSError where that cannot be written."""
        self._run.send(command)

    def liveness(self) -> Liveness:
        """As RunDir.liveness, and `exited` once the log says so."""
        if self._exited:
            return "exited"
        # The engine of a standby moves the folder at its next tick, which an import may hold up.
        is_awaited = time.monotonic() - self._moved_at < MOVES_WITHIN_S and not self._run.path.exists()
        return "starting" if is_awaited else self._run.liveness()

    def silence_s(self) -> float:
        """As RunDir.silence_s."""
        return self._run.silence_s()

    def move_to(self, run: RunDir) -> None:
        """Follow the folder to where its engine moves it."""
        self._run, self._moved_at = run, time.monotonic()
        for reader, path in zip(self._readers, _logs(run), strict=True):
            reader.path = path

    def close(self) -> None:
        """Close the logs."""
        self._exports.clear()
        for reader in self._readers:
            reader.close()


def _logs(run: RunDir) -> tuple[Path, ...]:
    return run.events, run.gpu, run.chat, run.export


class ReplayLink:
    """Plays a recorded run in its own time, `speed` times as fast; pauses longer than `longest_pause_s` are cut."""

    def __init__(self, run: RunDir, speed: float = 1.0, longest_pause_s: float = 5.0) -> None:
        self.run = run
        link = RunLink(run, all_readings=True)
        recorded: list[AnyEvent] = []
        while batch := link.poll():
            recorded += batch
        link.close()
        recorded.sort(key=lambda event: event.at)
        self._due: list[tuple[float, AnyEvent]] = []
        due, before = 0.0, recorded[0].at if recorded else 0.0
        for event in recorded:
            due += min(max(0.0, event.at - before), longest_pause_s) / speed
            before = event.at
            self._due.append((due, event))
        self._next = 0
        self._began: float | None = None

    @property
    def is_behind(self) -> bool:
        """What has happened by now is played at once."""
        return False

    def poll(self) -> list[AnyEvent]:
        """The events whose time has come."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        first = self._next
        while self._next < len(self._due) and self._due[self._next][0] <= now - self._began:
            self._next += 1
        return [event for _, event in self._due[first : self._next]]

    def send(self, command: AnyCommand) -> None:
        """A recording takes no commands. Raises OSError."""
        raise OSError("This is a recording; it takes no commands.")

    def liveness(self) -> Liveness:
        """`alive` until the last event has been played."""
        return "alive" if self._next < len(self._due) else "exited"

    def silence_s(self) -> float:
        """A recording is never silent."""
        return 0.0

    def close(self) -> None:
        """Nothing to let go."""


def new_command_id() -> str:
    """An id that no other command has."""
    return uuid.uuid4().hex[:12]
