"""When a run must end for its machine's sake: a deadline, Slurm's end of the job, a preemption command of the user's"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.text.numbers import duration

if TYPE_CHECKING:
    from cockpit.recipe.lifecycle import Lifecycle

SLURM_END = "SLURM_JOB_END_TIME"
"""Unix time, of Slurm 22.05 and later."""
ASK_EVERY_S, ANSWERS_WITHIN_S = 5.0, 20.0
MARGIN_S = 5.0
"""Left over for what nobody has measured."""
FIRST_SAVING_S = 10.0
"""Taken for a checkpoint before one has been written."""


class Paces:
    """How long a step and a saving take, as the engine's main thread sees them."""

    def __init__(self) -> None:
        self.step_s = 0.0
        """The longest of the last few."""
        self.saving_s = FIRST_SAVING_S
        self._steps: list[float] = []
        self._step, self._stepped_at = 0, 0.0
        self._saving_since: float | None = None

    def look(self, step: int, phase: str | None, now: float) -> None:
        """At the run, several times a second."""
        if step != self._step:
            if self._stepped_at and step == self._step + 1 and phase == "training":
                self._steps = [*self._steps[-4:], now - self._stepped_at]
                self.step_s = max(self._steps)
            self._step, self._stepped_at = step, now
        if phase == "saving":
            self._saving_since = now if self._saving_since is None else self._saving_since
        elif self._saving_since is not None:
            self.saving_s, self._saving_since = now - self._saving_since, None
            self._stepped_at = now

    @property
    def ending_s(self) -> float:
        """What it takes to finish a step, to write its checkpoint and then the result."""
        return 1.5 * self.step_s + 2.5 * self.saving_s + MARGIN_S


class Notices:
    """Of one attempt, which began when this was made."""

    def __init__(self, lifecycle: Lifecycle, folder: Path, *, may_run: bool, environment: Mapping[str, str]) -> None:
        """`may_run`: whether commands of the recipe may be run, as of a run that was made here."""
        self.paces = Paces()
        self.problem = ""
        """What of the recipe cannot be followed, in a sentence."""
        self.ends_at: float | None = None
        """In time.time(); None where nothing is known."""
        self._from = ""
        self._folder, self._command = folder, lifecycle.preemption_command
        self._grace_s = lifecycle.grace_s
        self._asked_at = 0.0
        self._asking: subprocess.Popen[bytes] | None = None
        if lifecycle.deadline == "slurm":
            self._follow_slurm(environment.get(SLURM_END, ""))
        elif lifecycle.deadline_s is not None:
            self.ends_at, self._from = time.time() + lifecycle.deadline_s, "lifecycle.deadline"
        if self._command is not None and not may_run:
            self._command = None
            self.problem = "lifecycle.preemption_command is not run, as this run was not made here."

    def _follow_slurm(self, told: str) -> None:
        if told.isdecimal():
            self.ends_at, self._from = float(told), "Slurm"
        else:
            self.problem = f"lifecycle.deadline is slurm, and {SLURM_END} does not say when the job ends."

    def due(self) -> str:
        """Why the run is to end now, in a sentence; empty where it need not. Never waits."""
        now = time.time()
        if self.ends_at is not None and now >= self.ends_at - self.paces.ending_s:
            left = duration(max(0.0, self.ends_at - now))
            return f"The time is up: {self._from} leaves {left}."
        if self._is_preempted(time.monotonic()):
            self.ends_at = now + self._grace_s
            return "The machine is about to vanish, says lifecycle.preemption_command."
        return ""

    def _is_preempted(self, now: float) -> bool:
        if self._command is None:
            return False
        if self._asking is not None:
            status = self._asking.poll()
            if status is None and now - self._asked_at > ANSWERS_WITHIN_S:
                self._asking.kill()
            elif status is not None:
                self._asking = None
                return status == 0
        elif now - self._asked_at >= ASK_EVERY_S:
            self._asked_at = now
            try:
                self._asking = subprocess.Popen(
                    ["/bin/sh", "-c", self._command], cwd=self._folder, stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, start_new_session=True, env=dict(os.environ),
                )  # fmt: skip
            except OSError as error:
                self._command, self.problem = None, f"lifecycle.preemption_command cannot be run: {error.strerror}."
        return False

    def close(self) -> None:
        """Nobody asks any more."""
        if self._asking is not None and self._asking.poll() is None:
            self._asking.kill()
            self._asking.wait()
