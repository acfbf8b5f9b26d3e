"""Writes the run's three logs, from any thread of the engine."""

from __future__ import annotations

import threading
from typing import Literal

from cockpit.engine.ownership import Ownership
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import AnyEvent, LogWritten, MachineRead, Phase, PhaseProgressed, PhaseStarted
from cockpit.runs.folder import RunDir
from cockpit.text.plain_text import plain_line

LINE_CHARACTERS = 400


class Journal:
    """The run's events, its readings and its chat. Once closed it drops what still comes, so that nothing follows
    EngineExited."""

    def __init__(self, run: RunDir, attempt: int = 1, ownership: Ownership | None = None) -> None:
        """Opens the logs; they stay open when the folder is renamed. Nothing more is written once `ownership` is lost.
        Raises OSError where they cannot be written."""
        self._ownership = ownership
        self._lock = threading.Lock()
        self._events = EventWriter(run.events, attempt)
        self._readings = EventWriter(run.gpu, attempt)
        self._replies = EventWriter(run.chat, attempt)
        self._closed = False
        self.attempt = attempt
        self.phase: Phase | None = None

    def emit(self, event: AnyEvent) -> None:
        """Append to the run's events. Raises OSError where the disk takes no more."""
        self._append(self._events, event)

    def emit_reading(self, event: MachineRead) -> None:
        """Append to the readings."""
        self._append(self._readings, event)

    def emit_reply(self, event: AnyEvent) -> None:
        """Append to the chat."""
        self._append(self._replies, event)

    def enter_phase(self, phase: Phase, detail: str = "") -> None:
        """The engine turns to something else."""
        with self._lock:
            self.phase = phase
            self._write(self._events, PhaseStarted(phase=phase, detail=detail))

    def progress(self, phase: Phase, done: float, total: float | None, unit: str) -> None:
        """How far `phase` is; nothing where another thread has turned to the next one meanwhile."""
        with self._lock:
            if self.phase == phase:
                self._write(self._events, PhaseProgressed(phase=phase, done=done, total=total, unit=unit))

    def log(self, level: Literal["info", "warning", "error"], text: str) -> None:
        """A line for the log pane; what others wrote into it is made plain."""
        line = plain_line(text)
        self.emit(LogWritten(level=level, text=line[:LINE_CHARACTERS]))

    def check_folder(self) -> None:
        """Before something is saved in the run's folder. Raises RunFailure where that is ours no more, or gone."""
        if self._ownership is not None:
            self._ownership.check()

    def close(self) -> None:
        """Nothing is written afterwards."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for log in (self._events, self._readings, self._replies):
                    log.close()

    def _append(self, log: EventWriter, event: AnyEvent) -> None:
        with self._lock:
            self._write(log, event)

    def _write(self, log: EventWriter, event: AnyEvent) -> None:
        """With the lock held."""
        if not self._closed and not (self._ownership is not None and self._ownership.is_lost()):
            log.append(event)
