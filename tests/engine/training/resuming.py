"""Runs that are stopped and resumed in a test, and what counts of their steps in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cockpit.engine.worker import Worker
from tests.engine.conftest import HostedRun

Hosted = Callable[..., HostedRun]


def figures(run: HostedRun) -> list[tuple[int, dict[str, float]]]:
    """Each step as it counts in the end, with all its figures."""
    steps = run.state.steps
    return [
        (step, {name: float(column[index] or 0) for name, column in steps.metrics.items()})
        for index, step in enumerate(steps.step)
    ]


def whole(hosted: Hosted, changes: dict[str, Any]) -> HostedRun:
    run = hosted(**changes)
    run.until_ended()
    assert run.state.ended is not None and run.state.ended.outcome == "completed"
    return run


def stopping_after(*steps: int, save: bool = True) -> Callable[[Worker, int], None]:
    """Worker.step_done, which asks for an end after each of these steps, once."""
    left = set(steps)
    step_done = Worker.step_done

    def step_done_and_stopped(worker: Worker, step: int) -> None:
        step_done(worker, step)
        if step in left:
            left.remove(step)
            worker.controls.ask_stop(save=save)

    return step_done_and_stopped


def stopped(hosted: Hosted, after: int, save: bool = True, **changes: Any) -> HostedRun:
    """A run that is stopped after that step, and whose engine has gone.

    A command would come too late where steps are quick; that one is read is tested in test_hosted_engine.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "step_done", stopping_after(after, save=save))
        run = hosted(**changes)
        run.until_ended()
        run.close()
        run.until_exited()
    assert run.state.ended is not None
    assert (run.state.ended.outcome, run.state.ended.reason) == ("stopped", ""), "the outcome says it all"
    assert run.state.step == after
    return run


def until_second_end(run: HostedRun) -> None:
    """Follow until the second attempt has ended; the log begins with the first."""
    run.until(lambda: run.state.ended is not None and run.state.ended.attempt == 2)
