"""Controls of a run that trains: each is answered, done between two steps, and told to every reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cockpit.protocol.commands import (
    AddSteps,
    Command,
    Evaluate,
    Pause,
    SaveCheckpoint,
    ScaleLearningRate,
    Stop,
    Unpause,
)
from cockpit.protocol.events import (
    CheckpointSaved,
    LogWritten,
    ScheduleChanged,
    TrainingPlanned,
)
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.link import new_command_id
from cockpit.runs.schedule_changes import planned_rates
from tests.engine.conftest import HostedRun
from tests.engine.training.gate import Gate

Hosted = Callable[..., HostedRun]
LONG = {"training__max_steps": 100, "lora__lora_dropout": 0.1}


def ask(run: HostedRun, kind: type[Command], **fields: Any) -> str:
    """Send, and wait for the answer: empty where it was accepted, else why not."""
    answer = run.send(kind(id=new_command_id(), **fields))  # type: ignore[arg-type]
    assert answer.accepted is not bool(answer.text)
    return answer.text


@pytest.fixture
def gate(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """It opens before the engines of `hosted` are ended."""
    gate = Gate(monkeypatch)
    yield gate
    gate.open()


def paused(hosted: Hosted, gate: Gate, **changes: Any) -> HostedRun:
    """A run that waits; it was asked to before it had trained at all."""
    run = hosted(**{**LONG, **changes})
    run.until(lambda: run.state.run is not None)
    assert ask(run, Pause) == ""
    gate.open()
    run.until(lambda: run.state.is_paused)
    assert run.state.step == 0
    return run


def pause_after(run: HostedRun, gate: Gate, step: int) -> None:
    """Have a run that waits go on to that step, and wait there."""
    gate.open(to=step)
    assert ask(run, Unpause) == ""
    run.until(lambda: run.state.step == step)
    assert ask(run, Pause) == ""
    gate.open()
    run.until(lambda: run.state.is_paused)
    assert run.state.step == step


def losses(run: HostedRun) -> list[float | None]:
    return list(run.state.steps.metrics["loss"])


def rates(run: HostedRun) -> list[float | None]:
    return list(run.state.steps.metrics["learning_rate"])


def planned(run: HostedRun) -> list[float]:
    """The learning rates that the app draws."""
    assert run.state.plan is not None
    return list(planned_rates(RecipeDocument.load(run.run.recipe).recipe().training, run.state.plan))


def test_a_paused_run_is_measured_and_saved_and_goes_on_as_if_nothing_had_been(hosted: Hosted, gate: Gate) -> None:
    run = paused(hosted, gate)
    assert ask(run, Pause) == "Training waits already, or will after its step."
    assert ask(run, SaveCheckpoint) == "No step was taken yet, so there is nothing to save."
    pause_after(run, gate, 2)
    assert ask(run, Evaluate) == ask(run, SaveCheckpoint) == ""
    run.until(lambda: run.state.evaluations[-1].step == 2 and [one.step for one in run.state.checkpoints] == [2])
    run.until(lambda: run.state.is_paused)
    assert ask(run, SaveCheckpoint) == "The checkpoint of step 2 is there already."
    assert ask(run, Unpause) == ""
    assert ask(run, Unpause) == "Training does not wait."
    run.until_ended()
    alone = hosted(**LONG)
    alone.until_ended()
    assert losses(run) == losses(alone)
    assert rates(run) == rates(alone)
    assert not [event for event in run.all(LogWritten) if event.level == "warning"]


def test_a_stop_ends_a_pause_and_leaves_a_checkpoint(hosted: Hosted, gate: Gate) -> None:
    run = paused(hosted, gate)
    pause_after(run, gate, 1)
    assert ask(run, Stop) == ""
    run.until_ended()
    assert run.state.ended is not None and (run.state.ended.outcome, run.state.ended.step) == ("stopped", 1)
    assert [event.step for event in run.all(CheckpointSaved)] == [1]
    assert run.state.adapter is not None and run.state.adapter.step == 1


def test_a_pause_dropped(hosted: Hosted, gate: Gate) -> None:
    run = paused(hosted, gate)
    pause_after(run, gate, 1)
    assert ask(run, Stop, save=False) == ""
    run.until_ended()
    assert run.state.ended is not None and run.state.ended.outcome == "stopped"
    assert run.all(CheckpointSaved) == [] and run.state.adapter is None


def test_the_rate_and_the_steps_change_and_a_resume_goes_on_with_both(hosted: Hosted, gate: Gate) -> None:
    """Ten steps are an epoch: the run goes beyond the one that its recipe plans."""
    run = paused(hosted, gate, training__lr_scheduler_type="cosine", training__warmup_ratio=0.3)
    assert ask(run, ScaleLearningRate, factor=0.5) == ""
    run.until(lambda: len(run.all(ScheduleChanged)) == 1)
    assert ask(run, ScaleLearningRate, factor=1000.0).startswith("The highest learning rate would be 5; 1 is the most")
    pause_after(run, gate, 3)
    assert ask(run, AddSteps, steps=6) == ask(run, ScaleLearningRate, factor=4.0) == ""
    run.until(lambda: len(run.all(ScheduleChanged)) == 3)
    assert [(one.step, one.rate_factor, one.total_steps) for one in run.all(ScheduleChanged)] == [
        (0, 0.5, 100),
        (3, 0.5, 106),
        (3, 2.0, 106),
    ]
    assert run.state.total_steps == 106
    ask(run, Stop)
    run.until_ended()
    run.close()
    again = hosted(resumed=run.run, text=run.run.recipe.read_text())
    again.until(lambda: again.state.ended is not None and again.state.ended.attempt == 2)
    assert again.state.ended is not None and again.state.ended.outcome == "completed"
    assert again.state.steps.step == list(range(1, 107))
    assert rates(again) == pytest.approx(planned(again), rel=1e-9)
    plan = again.all(TrainingPlanned)[-1]
    assert (plan.recipe_steps, plan.total_steps) == (100, 106)
    assert [(one.step, one.rate_factor, one.total_steps) for one in plan.changes] == [(0, 0.5, 100), (3, 2.0, 106)]
