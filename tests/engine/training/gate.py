"""A gate between the steps of a run, so that what a test asks for comes in time, however quick the steps are."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from cockpit.engine.training.between_steps import BetweenSteps
from cockpit.engine.worker import Worker

WAITS_S = 300.0


class Gate:
    """Training waits after the step that it was let go on to, and before the first one."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._open_to: float = 0
        self._changed = threading.Condition()
        begin, done = BetweenSteps.on_step_begin, Worker.step_done

        def step_begins(callback: BetweenSteps, *args: Any, **kwargs: Any) -> None:
            self._wait(0)
            begin(callback, *args, **kwargs)

        def step_done(worker: Worker, step: int) -> None:
            done(worker, step)
            self._wait(step)

        patch.setattr(BetweenSteps, "on_step_begin", step_begins)
        patch.setattr(Worker, "step_done", step_done)

    def open(self, to: float = float("inf")) -> None:
        """Let it go on, to the end of step `to`."""
        with self._changed:
            self._open_to = to
            self._changed.notify_all()

    def _wait(self, step: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: step < self._open_to, WAITS_S), (
                f"nobody opened the gate of step {step}"
            )
