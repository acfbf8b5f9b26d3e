"""What a stop is said to do, in each phase."""

import msgspec
import pytest

from cockpit.protocol import events as ev
from cockpit.runs.labels import PHASES
from cockpit.runs.state import RunState
from cockpit.runs.stopping import COMPILING, stopping, why_still_running

PLANNED = ev.TrainingPlanned(total_steps=4, steps_per_epoch=1, trainable_parameters=10, total_parameters=1000)
CHECKPOINT = "A checkpoint is left to resume from."


def state_in(phase: ev.Phase, steps: int = 0, resumed_from: int = 0) -> RunState:
    """A run in that phase, so many steps after its beginning or, with `resumed_from`, after that resume."""
    state, attempt = RunState(), 1
    for step in range(1, resumed_from + 1):
        state.apply(_step(step, 1))
    if resumed_from:
        attempt = 2
        state.apply(ev.RunEnded(outcome="stopped", step=resumed_from))
        state.apply(ev.EngineStarted(pid=1, host="here", backend="unsloth", attempt=2))
        state.apply(ev.TrainingResumed(step=resumed_from, path="checkpoints/checkpoint", attempt=2))
    state.apply(msgspec.structs.replace(PLANNED, attempt=attempt))
    for step in range(resumed_from + 1, resumed_from + steps + 1):
        state.apply(_step(step, attempt))
    state.apply(ev.PhaseStarted(phase=phase, attempt=attempt))
    return state


def _step(step: int, attempt: int) -> ev.StepEnded:
    return ev.StepEnded(step=step, total_steps=4, epoch=0.1, step_time_s=1.0, metrics={"loss": 1.0}, attempt=attempt)


@pytest.mark.parametrize("phase", ["importing", "standby", "downloading", "loading_model", "preparing_data"])
def test_before_training_nothing_is_promised(phase: ev.Phase) -> None:
    now = stopping(state_in(phase))
    assert now.sentence == "No step has been taken yet: the run ends, and nothing is saved."
    assert not now.saves and not now.under_way
    assert PHASES[phase].doing in why_still_running(state_in(phase))
    again = stopping(state_in(phase, resumed_from=2))
    assert again.sentence.endswith("nothing more is saved. Checkpoints stay.") and not again.saves


def test_an_engine_that_has_told_no_phase_has_nothing_to_save() -> None:
    assert not stopping(RunState()).saves


@pytest.mark.parametrize(
    ("phase", "steps", "resumed_from", "first", "has_checkpoint", "under_way"),
    [
        ("compiling", 0, 0, COMPILING, True, ""),
        ("training", 1, 0, "The step in hand is finished", True, "step"),
        ("evaluating", 2, 0, "The evaluation is left where it is", True, "evaluation"),
        ("evaluating", 0, 2, "The evaluation is left where it is, the weights that were resumed", False, "evaluation"),
        ("saving", 2, 0, "The checkpoint is completed, what was trained is saved", True, ""),
        ("sampling", 2, 0, "The sample is left where it is, what was trained is saved", True, ""),
        ("paused", 2, 0, "Training waits after its step: what was trained is saved", True, ""),
        ("saving", 4, 0, "No step is left to stop at", False, ""),
    ],
)
def test_what_is_saved_while_it_trains(
    phase: ev.Phase, steps: int, resumed_from: int, first: str, has_checkpoint: bool, under_way: str
) -> None:
    now = stopping(state_in(phase, steps, resumed_from))
    assert now.saves
    assert now.sentence.startswith(first)
    assert (CHECKPOINT in now.sentence) is has_checkpoint
    assert now.under_way == under_way


def test_the_evaluation_before_the_first_step_leaves_nothing_to_save() -> None:
    assert not stopping(state_in("evaluating")).saves


def test_why_a_run_goes_on_that_was_asked_to_end() -> None:
    assert why_still_running(state_in("compiling")) == COMPILING
    assert "still works on it" in why_still_running(state_in("training", 1))
