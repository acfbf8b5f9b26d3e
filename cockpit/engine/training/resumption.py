"""Resumption: from which checkpoint a run goes on, and what it had counted until then"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from transformers.trainer_pt_utils import safe_globals

from cockpit.engine.errors import RunFailure, first_line, is_out_of_memory
from cockpit.engine.training.changing_data import ChangingData
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import (
    AnswersMeasured,
    DataPrepared,
    RunStarted,
    ScheduleChanged,
    StepEnded,
    TrainingPlanned,
    TrainingResumed,
)
from cockpit.recipe.recipe import Recipe
from cockpit.runs import checkpoint as checkpoints
from cockpit.runs.checkpoint import STATE, Checkpoint
from cockpit.runs.folder import RunDir
from cockpit.runs.schedule_changes import changed_plan

Told = RunStarted | DataPrepared | TrainingPlanned | ScheduleChanged | StepEnded | AnswersMeasured | TrainingResumed
"""What a resume has to know of the attempts before."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Resumption:
    """A checkpoint that loads; tokens as the step's event counted them."""

    checkpoint: Checkpoint
    tokens_seen: int = 0
    trained_tokens: int = 0
    data: ChangingData | None = None
    """What the attempt that saved the checkpoint has trained on; None where it has not told."""
    plan: TrainingPlanned | None = None
    """The newest plan, with all that the run was asked for on its way; None where no attempt has told of one."""
    has_answers: bool = False
    """Whether answers were measured after the checkpoint's step."""

    @property
    def step(self) -> int:
        """The last step that counts."""
        return self.checkpoint.step

    def changes_of_data(self, now: DataPrepared) -> list[str]:
        """A sentence for each source that is not what it was when the checkpoint was saved."""
        return self.data.changes(now) if self.data is not None else []

    def prepared_as_before(self, recipe: Recipe) -> Recipe:
        """The recipe with its rows made as the attempt has made them that saved the checkpoint: older versions of
        cockpit truncated long rows of all kinds where nothing else was said."""
        is_told = self.data is not None and self.data.before.long_rows
        if is_told or recipe.data.long_rows is not None:
            return recipe
        return recipe.model_copy(update={"data": recipe.data.model_copy(update={"long_rows": "truncate"})})

    def owes_evaluation(self, every: int | None) -> bool:
        """Whether an evaluation was due after the checkpoint's step, as after every `every` steps, and a stop came
        first."""
        if every is None or self.step % every:
            return False
        told = self.checkpoint.state().get("log_history", [])
        return not any(one.get("step") == self.step and any(name.startswith("eval_") for name in one) for one in told)


def resumption(run: RunDir, from_step: int | None, say: Say) -> Resumption:
    """The newest checkpoint that loads, or the one after `from_step`; a word for each that does not.

    Raises RunFailure where there is none.
    """
    found = _newest_that_loads(run, from_step, say)
    events = _events_of(run)
    steps = [event for event in events if isinstance(event, StepEnded) and event.step == found.step]
    metrics = steps[-1].metrics if steps else {}
    seen, trained = (int(metrics.get(name) or 0) for name in ("tokens_seen", "trained_tokens"))
    data = ChangingData.of(events, steps[-1].attempt) if steps else None
    return Resumption(found, seen, trained, data, _plan(events), found.step in _answered(events))


def _answered(events: list[Told]) -> set[int]:
    """The steps after which answers were measured, as they count in the end."""
    steps: set[int] = set()
    for event in events:
        if isinstance(event, AnswersMeasured):
            steps.add(event.step)
        elif isinstance(event, TrainingResumed):
            steps = {step for step in steps if step <= event.step}
    return steps


def _plan(events: list[Told]) -> TrainingPlanned | None:
    plan = None
    for event in events:
        if isinstance(event, TrainingPlanned):
            plan = event
        elif isinstance(event, ScheduleChanged) and plan is not None:
            plan = changed_plan(plan, event)
    return plan


def _newest_that_loads(run: RunDir, from_step: int | None, say: Say) -> Checkpoint:
    for one in checkpoints.checkpoints(run.checkpoints):
        if from_step is not None and one.step != from_step:
            continue
        defect = one.defect() or one.damage() or _defect_of_tensors(one) or _defect_of_state(one)
        if not defect:
            return one
        say(f"{one.path.name} cannot be resumed from: {defect}.")
    which = "no checkpoint that loads" if from_step is None else f"no checkpoint after step {from_step} that loads"
    raise RunFailure(f"This run has {which}.", "Start it anew.")


def _defect_of_tensors(one: Checkpoint) -> str:
    """What stands in the way of loading optimizer, schedule and random numbers; read without running code of a file."""
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        try:
            with safe_globals():  # random numbers of numpy
                torch.load(one.path / name, map_location="cpu", weights_only=True, mmap=True)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            return f"{name} cannot be loaded ({first_line(error)})"
    return ""


def _defect_of_state(one: Checkpoint) -> str:
    """What is wrong with what the trainer has written of itself."""
    from transformers import TrainerState

    try:
        state = TrainerState.load_from_json(str(one.path / STATE))
    except (TypeError, ValueError):
        return f"{STATE} cannot be read"
    history = state.log_history
    is_sound = isinstance(history, list) and all(
        isinstance(entry, dict) and isinstance(entry.get("step"), int) and all(map(_is_figure, entry.values()))
        for entry in history
    )
    return "" if is_sound and isinstance(state.stateful_callbacks, dict) else f"{STATE} is damaged"


def _is_figure(value: object) -> bool:
    return value is None or isinstance(value, int | float | str)


def _events_of(run: RunDir) -> list[Told]:
    reader = EventReader(run.events)
    events: list[Told] = []
    while batch := reader.poll():
        events += [event for event in batch if isinstance(event, Told)]
    reader.close()
    return events
