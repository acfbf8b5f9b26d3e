"""What a run was asked for of its schedule: as its events tell it, in the next attempt, and as a plan to draw"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from cockpit.protocol.events import ScheduleChange, ScheduleChanged, TrainingPlanned
from cockpit.recipe.worked_out import WorkedOut
from cockpit.text.numbers import count

if TYPE_CHECKING:
    from cockpit.recipe.training import Training


def changed_plan(plan: TrainingPlanned, event: ScheduleChanged) -> TrainingPlanned:
    """The plan with what was asked for now. Changes for later steps, of an earlier attempt, are replaced by it."""
    change = ScheduleChange(step=event.step, rate_factor=event.rate_factor, total_steps=event.total_steps)
    before = tuple(one for one in plan.changes if one.step < event.step)
    return msgspec.structs.replace(plan, total_steps=event.total_steps, changes=(*before, change))


def carried_over(before: TrainingPlanned | None, learning_rate: float, recipe_steps: int) -> tuple[ScheduleChange, ...]:
    """What of the changes to the plan `before` holds in an attempt whose recipe gives `learning_rate` and
    `recipe_steps`. A field that was changed since then means what it says: what was asked for is not added to it."""
    if before is None:
        return ()
    keeps_rate, keeps_steps = before.learning_rate == learning_rate, before.recipe_steps == recipe_steps
    found: list[ScheduleChange] = []
    for one in before.changes:
        kept = ScheduleChange(
            step=one.step,
            rate_factor=one.rate_factor if keeps_rate else 1.0,
            total_steps=one.total_steps if keeps_steps else recipe_steps,
        )
        newest = found[-1] if found else ScheduleChange(step=0, rate_factor=1.0, total_steps=recipe_steps)
        if (kept.rate_factor, kept.total_steps) != (newest.rate_factor, newest.total_steps):
            found.append(kept)
    return tuple(found)


def planned_rates(training: Training, plan: TrainingPlanned) -> Sequence[float]:
    """The learning rate that step 1, 2 ... takes, to the end of the plan, with all that was asked for on the way; of a
    schedule that follows the evaluations only as far as it is known before the run. Each is worked out when it is asked
    for."""
    from cockpit.recipe.learning_rates import PlannedRates, learning_rates
    from cockpit.recipe.scheduler import FOLLOWS_EVALUATIONS

    if training.lr_scheduler_type in FOLLOWS_EVALUATIONS:
        return learning_rates(training, plan.total_steps)
    first = ScheduleChange(step=0, rate_factor=1.0, total_steps=plan.recipe_steps or plan.total_steps)
    return _Pieces(
        [(one.step, one.rate_factor, PlannedRates(training, one.total_steps)) for one in (first, *plan.changes)]
    )


class _Pieces(WorkedOut):
    """Curves of which each holds from its step on, times its factor."""

    def __init__(self, pieces: list[tuple[int, float, Sequence[float]]]) -> None:
        self._pieces = pieces
        self._starts = [start for start, _, _ in pieces]

    def __len__(self) -> int:
        return len(self._pieces[-1][2])

    def value(self, at: int) -> float:
        _, factor, curve = self._pieces[bisect_right(self._starts, at) - 1]
        return curve[at] * factor


def told(change: ScheduleChange, recipe_steps: int) -> str:
    """The change in a few words."""
    parts = [f"learning rate × {change.rate_factor:.4g}"] if change.rate_factor != 1 else []
    if change.total_steps != recipe_steps:
        parts.append(f"{count(change.total_steps)} steps in all")
    return f"{' and '.join(parts) or 'the schedule of the recipe'} from step {count(change.step + 1)} on"
