"""RunSchedule: the planned learning rate of a run as it goes, and what its optimizer has really used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from cockpit.ui.widgets.schedule_chart import ScheduleChart, schedule_title

if TYPE_CHECKING:
    from cockpit.protocol.events import TrainingPlanned
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.state import RunState


class RunSchedule(ScheduleChart):
    """The plan is worked out again only where it has changed."""

    _planned_for: tuple[TrainingPlanned | None, int | None] | None = None
    _planned_steps = 0

    def show(self, recipe: Recipe, state: RunState) -> None:
        """The schedule of a run that stands so."""
        from cockpit.recipe.learning_rates import PlannedRates, rates_so_far, warmup_steps
        from cockpit.recipe.schedule import planned_steps
        from cockpit.recipe.scheduler import FOLLOWS_EVALUATIONS
        from cockpit.runs.schedule_changes import planned_rates

        rows = state.data.train_rows if state.data else None
        training = recipe.training
        follows = training.lr_scheduler_type in FOLLOWS_EVALUATIONS
        # Of a schedule that follows the evaluations the next rates are known once a step was taken after one.
        is_behind = follows and state.step > self._planned_steps
        if self._planned_for is None or (state.plan, rows) != self._planned_for or is_behind:
            self._planned_for = (state.plan, rows)
            total = state.total_steps or planned_steps(recipe, rows)
            warmup = warmup_steps(training, total) if total else training.warmup_steps
            rates: Sequence[float] = []
            if total and follows:
                rates = rates_so_far(training, total, state.steps.step, state.steps.metrics.get("learning_rate", []))
            elif state.plan is not None:
                rates = planned_rates(training, state.plan)
            elif total:
                rates = PlannedRates(training, total)
            self.border_title = Content(schedule_title(training.lr_scheduler_type, warmup, len(rates), total))
            self.set_plan(rates, "The steps are known once the rows are counted.", total)
            self._planned_steps = max(len(rates), state.step)
        self.set_step(state.step or None, state.steps.latest("learning_rate"))
