"""Runs that are stopped and resumed in a test, and what counts of their steps in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cockpit.protocol.commands import Stop
from cockpit.runs.link import new_command_id
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


def stopped(hosted: Hosted, after: int, **changes: Any) -> HostedRun:
    """A run that is stopped once `after` steps are done, and whose engine has gone."""
    run = hosted(**changes)
    run.until(lambda: run.state.step >= after)
    run.send(Stop(id=new_command_id()))
    run.until_ended()
    assert run.state.ended is not None
    assert (run.state.ended.outcome, run.state.ended.reason) == ("stopped", ""), "the outcome says it all"
    run.close()
    run.until_exited()
    return run


def until_second_end(run: HostedRun) -> None:
    """Follow until the second attempt has ended; the log begins with the first."""
    run.until(lambda: run.state.ended is not None and run.state.ended.attempt == 2)
