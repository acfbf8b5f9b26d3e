"""A rank that is not the first: it trains with the others as rank 0 hands on, and writes nothing but its own output"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Literal

from cockpit.engine.agreement import AgreedControls
from cockpit.engine.beginning import recipe_of
from cockpit.engine.controls import Controls
from cockpit.engine.errors import classify_error
from cockpit.engine.journal import Journal
from cockpit.engine.machine import Machine
from cockpit.engine.rank import Ranks, is_loss_of_others
from cockpit.engine.stack import import_stack
from cockpit.engine.worker import Worker
from cockpit.protocol.events import AnyEvent, LogWritten, Phase
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from cockpit.runs.ranks import RankEnd, RankFiles, rank_log

TICK_S = 0.2
BEAT_EVERY_S = 1.0
FIRST_SILENT_S = 60.0
"""How long rank 0 may give no sign of life to a rank on another machine."""


class OwnJournal(Journal):
    """What a rank would tell is told by rank 0; lines of the log go to its own output."""

    def __init__(self, attempt: int = 1) -> None:
        self.attempt = attempt
        self.phase: Phase | None = None

    def emit(self, event: AnyEvent) -> None:
        """Lines for the log are printed."""
        if isinstance(event, LogWritten):
            print(f"{event.level}: {event.text}", flush=True)

    def emit_reading(self, event: AnyEvent) -> None:
        """Rank 0 reads the machine."""

    def emit_reply(self, event: AnyEvent) -> None:
        """Rank 0 answers."""

    def enter_phase(self, phase: Phase, detail: str = "") -> None:
        """Known here too."""
        self.phase = phase

    def progress(self, phase: Phase, done: float, total: float | None, unit: str) -> None:
        """Rank 0's is told."""

    def log(self, level: Literal["info", "warning", "error"], text: str) -> None:
        """To its own output."""
        print(f"{level}: {text}", flush=True)

    def check_folder(self) -> None:
        """Rank 0 does."""

    def close(self) -> None:
        """There is nothing to close."""


class OtherWorker(Worker):
    """Imports and trains; what a run begins and ends with is rank 0's."""

    def __init__(self, run: RunDir, backend: str, ranks: Ranks) -> None:
        controls, journal = Controls(), OwnJournal()
        super().__init__(run, backend, journal, controls, Machine(), chat_only=False, ranks=ranks)
        self.error: BaseException | None = None
        """Why it has ended before the training was over."""

    def work(self) -> None:
        """What the thread does."""
        try:
            self.journal.enter_phase("importing", self._backend)
            import_stack(self._backend)
            self._meet()
            self._train_with_others(self._recipe())
        except BaseException as error:
            traceback.print_exc()
            self.error = error

    def _recipe(self) -> Recipe:
        return recipe_of(self.run)

    def training_controls(self) -> Controls:
        """Rank 0 hands them on."""
        return AgreedControls(self.ranks, None)

    def step_done(self, step: int) -> None:
        """Rank 0 reads its own machine, and is told of this one's GPUs."""
        self.step = step
        self.readings_of_all()


class OtherRank:
    """One such process: its thread trains, the one that calls `run` shows that it lives."""

    def __init__(self, run: RunDir, backend: str, ranks: Ranks, launcher: int | None) -> None:
        """`launcher` is the process that has started all ranks; one that is not our parent any more has gone. Raises
        OSError where the folder cannot be written."""
        self._files = RankFiles(run, ranks.rank.index)
        self._files.begin(backend)
        self._worker = OtherWorker(run, backend, ranks)
        self._launcher = launcher
        self._far_run = run if ranks.rank.node else None
        """The run, where rank 0 is on another machine, whose processes this one does not see."""
        self._terminated = threading.Event()

    def terminate(self) -> None:
        """Go at once: the run ends elsewhere. May be called from a signal handler."""
        self._terminated.set()

    def run(self) -> int:
        """Train until that is over. The exit status."""
        self._worker.start()
        beat_at = 0.0
        while not self._worker.is_done():
            if self._terminated.wait(TICK_S):
                self._tell(RankEnd(outcome="failed", reason="It was told to end.", lost_others=True))
                return 1
            if self._launcher is not None and os.getppid() != self._launcher:
                return 1
            if time.monotonic() - beat_at >= BEAT_EVERY_S:
                beat_at = time.monotonic()
                with contextlib.suppress(OSError):
                    self._files.beat()
                if self._far_run is not None and self._has_lost_first(self._far_run):
                    self._tell(RankEnd(outcome="failed", reason="Rank 0 is heard no more.", lost_others=True))
                    return 1
        error = self._worker.error
        if error is None:
            return 0
        ending = classify_error(error, None, self._worker.step)
        lost = is_loss_of_others(error)
        self._tell(RankEnd(outcome=ending.outcome, reason=ending.reason, advice=ending.advice, lost_others=lost))
        return 1

    def _has_lost_first(self, run: RunDir) -> bool:
        """Whether rank 0 has gone, for which this rank would wait for ever: its engine has ended, or is silent."""
        liveness = run.liveness()
        return liveness in ("exited", "lost") or (liveness != "starting" and run.silence_s() > FIRST_SILENT_S)

    def _tell(self, end: RankEnd) -> None:
        try:
            self._files.tell_end(end)
        except OSError:
            traceback.print_exc()


def write_to_own_log(run: RunDir, rank: int) -> None:
    """From now on all output of this process, and of those that it starts, goes there. Raises OSError."""
    path: Path = rank_log(run, rank)
    path.parent.mkdir(exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    sys.stdout.flush()
    sys.stderr.flush()
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
