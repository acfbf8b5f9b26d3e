"""Runs in a process that has imported the stack, mostly with Unsloth: what is told of how they end."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.engine.worker import Worker
from cockpit.paths import runs_folder
from cockpit.protocol.events import AnswersMeasured
from cockpit.runs.folder import RunDir
from tests.engine.conftest import HostedRun
from tests.engine.training.resuming import stopping_after

Ended = dict[str, Any]


def ended(name: str, recipe: str, *, attempt: int = 1, stop: int = 0, backend: str = "unsloth") -> Ended:
    """How this attempt of the run ends."""
    resumed = attempt > 1
    run = RunDir(runs_folder() / name) if resumed else RunDir.create(runs_folder() / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "step_done", stopping_after(stop))
        hosted = HostedRun(run, recipe, {"resume": resumed}, backend)
        hosted.until(lambda: hosted.state.ended is not None and hosted.state.ended.attempt == attempt)
        hosted.close()
    state = hosted.state
    assert state.ended is not None
    evaluations = [(one.step, one.figures["eval_loss"]) for one in state.evaluations]
    return {
        "outcome": state.ended.outcome,
        "reason": state.ended.reason,
        "metrics": state.steps.metrics,
        "evaluations": evaluations,
        "answers": [(one.step, one.figures) for one in hosted.all(AnswersMeasured)],
        "run": run.path,
    }
