"""A run and the world around it: it ends before its machine vanishes, tells of its end, and has a command run then"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from typing import Literal

from cockpit.engine import on_end
from cockpit.engine.controls import Controls
from cockpit.engine.journal import Journal
from cockpit.engine.notices import Notices
from cockpit.engine.notify import Notifier
from cockpit.engine.worker import Worker
from cockpit.recipe.problem import RecipeError
from cockpit.runs.folder import RunDir
from cockpit.runs.origin import is_made_here


class Surroundings:
    """Of the run that the worker does, once its recipe is known. Used by the engine's main thread."""

    def __init__(self, run: RunDir, journal: Journal, controls: Controls, worker: Worker) -> None:
        self._run, self._journal, self._controls, self._worker = run, journal, controls, worker
        self._notices: Notices | None = None
        self._on_end: subprocess.Popen[bytes] | None = None
        self._has_told_end = False
        self._notifier: Notifier | None = None
        self._has_notifier = False

    def look(self, *, is_leaving: bool) -> str:
        """Do what is due. Why the run must end now, a sentence; "" while it need not."""
        why = "" if is_leaving else self._heed_notices()
        if self._worker.ended:
            self._run_on_end()
        if self._worker.begun and not self._has_notifier:
            self._has_notifier = True
            self._notifier = Notifier.for_run(self._run, self._journal.attempt, self._warn)
        return why

    def hurry(self) -> None:
        """What is left after a signal is the recipe's grace."""
        if (recipe := self._worker.beginning.known_recipe) is not None:
            self._controls.hurry(time.monotonic() + recipe.lifecycle.grace_s)

    def ask_no_more(self) -> None:
        """No command is asked any more whether the machine will vanish."""
        if self._notices is not None:
            self._notices.close()

    def tell_end(self) -> None:
        """The run has ended: its command is run and waited for, for a while, and messages are sent."""
        self._run_on_end()
        if self._notifier is not None:
            self._notifier.close()
        if self._on_end is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._on_end.wait(on_end.WAITS_S)
            self._run_on_end()

    def _heed_notices(self) -> str:
        recipe, worker = self._worker.beginning.known_recipe, self._worker
        if not worker.begun or worker.ended or recipe is None:
            return ""
        if self._notices is None:
            may_run = recipe.lifecycle.preemption_command is not None and self._may_run_commands()
            self._notices = Notices(recipe.lifecycle, self._run.path, may_run=may_run, environment=os.environ)
        notices = self._notices
        notices.paces.look(worker.step, self._journal.phase, time.monotonic())
        why = notices.due()
        if notices.problem:
            self._journal.log("warning", notices.problem)
            notices.problem = ""
        if why:
            assert notices.ends_at is not None
            self._controls.hurry(time.monotonic() + notices.ends_at - time.time())
        return why

    def _warn(self, sentence: str) -> None:
        with contextlib.suppress(OSError):
            self._journal.log("warning", sentence)

    def _may_run_commands(self) -> bool:
        """Whether commands of the recipe may be run: those of a run that was made here, and is still there."""
        try:
            return is_made_here(self._run.path)
        except (OSError, RecipeError):
            return False

    def _run_on_end(self) -> None:
        """Once the run has ended, what its recipe names for that; what became of it is told."""
        recipe, ended = self._worker.beginning.known_recipe, self._worker.ending
        if not self._has_told_end and ended is not None and recipe is not None:
            self._has_told_end = True
            command = recipe.lifecycle.on_end
            if command is None:
                return
            if not self._may_run_commands():
                self._journal.log("warning", "lifecycle.on_end is not run, as this run was not made here.")
                return
            try:
                self._on_end = on_end.start(command, self._run, ended)
            except OSError as error:
                self._journal.log("error", f"lifecycle.on_end cannot be run: {error.strerror or error}.")
        elif self._on_end is not None and (status := self._on_end.poll()) is not None:
            self._on_end = None
            level: Literal["info", "error"] = "info" if status == 0 else "error"
            self._journal.log(level, f"lifecycle.on_end has ended with status {status}.")
