"""RunSchedule: the planned learning rate of a run as it goes, and on top what its optimizer has really used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from cockpit.runs.steps import Steps
from cockpit.text.numbers import count, learning_rate
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.plot import Frame, dot_rows
from cockpit.ui.widgets.schedule_chart import ScheduleChart, schedule_title
from cockpit.ui.widgets.step_window import StepWindow

if TYPE_CHECKING:
    from cockpit.protocol.events import TrainingPlanned
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.state import RunState

_USED, _READ, _PRESENT, _NEWEST = range(3, 7)
RATE = "learning_rate"


class RunSchedule(ScheduleChart):
    """The plan is worked out again only where it has changed; what was used is that of all steps."""

    HELP = (
        "The learning rate that is planned for every step, and on top the one that the optimizer has used. The line "
        f"with a mark is the present. {ScheduleChart.KEYS_HELP}"
    )
    COMPONENT_CLASSES = {
        "run-schedule--used",
        "run-schedule--read",
        "run-schedule--present",
        "run-schedule--newest",
    }
    INKS = (
        *ScheduleChart.INKS,
        "run-schedule--used",
        "run-schedule--read",
        "run-schedule--present",
        "run-schedule--newest",
    )
    DEFAULT_CSS = """
    RunSchedule > .run-schedule--used { color: $primary; }
    RunSchedule > .run-schedule--read { color: $text-muted; }
    RunSchedule > .run-schedule--present { color: $foreground; }
    RunSchedule > .run-schedule--newest { color: $foreground; text-style: bold; }
    """

    def __init__(self, window: StepWindow | None = None, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(window, id=id, classes=classes)
        self._planned_for: tuple[TrainingPlanned | None, int | None] | None = None
        self._planned_steps = 0
        self._steps = Steps()
        self._newest: tuple[int, float | None] = (0, None)

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
                rates = rates_so_far(training, total, state.steps.step, state.steps.metrics.get(RATE, []))
            elif state.plan is not None:
                rates = planned_rates(training, state.plan)
            elif total:
                rates = PlannedRates(training, total)
            self.show_border(title=Content(schedule_title(training.lr_scheduler_type, warmup, len(rates), total)))
            self.set_plan(rates, "The steps are known once the rows are counted.", total)
            self._planned_steps = max(len(rates), state.step)
        self.set_used(state.steps)

    def show_used(self, state: RunState) -> None:
        """Of a run whose plan is not known: what its trainer has logged."""
        self.show_border(title=Content("learning rate"))
        self.set_plan([], "No learning rate was logged yet.", state.total_steps)
        self.set_used(state.steps)

    def set_used(self, steps: Steps) -> None:
        """The steps so far, with the rate of each."""
        newest = (steps.newest_step, steps.latest(RATE))
        if steps is not self._steps or newest != self._newest:
            self._steps, self._newest = steps, newest
            self.window.set_newest(steps.newest_step)
            self.window_changed()

    def window_changed(self) -> None:
        super().window_changed()
        self._write_legend()

    def highest(self) -> float:
        used = self._steps.course_extent(RATE, 0, self.window.end)
        return max(super().highest(), used[1] if used else 0.0)

    def draw_run(self, frame: Frame) -> None:
        used = self._steps.extents(RATE, frame.first, frame.last, frame.dots)
        frame.canvas.curve(dot_rows(frame, used), _USED, frame.left * 2)
        if frame.first <= self._newest[0] <= frame.last and self._newest[0]:
            self._draw_present(frame)
        self.draw_cursor(frame, _READ)

    def _draw_present(self, frame: Frame) -> None:
        step, used = self._newest
        signs, rate = glyphs(), used if used is not None and math.isfinite(used) else self._planned(step)
        at = frame.dot_column(step) // 2
        for row in range(frame.rows):
            frame.canvas.write(at, row, signs.cursor, _PRESENT)
        if rate is None:
            return
        row = frame.dot_row(rate) // 4
        frame.canvas.write(at, row, signs.mark, _NEWEST)
        text = f" {learning_rate(rate)}"
        beside = [(at + 1, row), (at + 1, row - 1), (at + 1, row + 1), (at - len(text) - 1, row + 1)]
        beside += [(at + 1, r) for r in (row - 2, row - 3)]
        beside += [(at - len(text) - 1, r) for r in (row, row - 1, row - 2, row + 2)]
        free = [place for place in beside if place[1] < frame.rows and frame.canvas.is_empty(*place, len(text))]
        column, row = (free or [(min(at + 1, frame.canvas.width - len(text)), row)])[0]
        frame.canvas.write(column, row, text, _NEWEST)

    def _planned(self, step: int) -> float | None:
        return self.plan[step - 1] if 0 < step <= len(self.plan) else None

    def _write_legend(self) -> None:
        step, dot = self.window.cursor, f" {glyphs().dot} "
        if not self.plan:
            self.show_border(subtitle=Content(""))
        elif step is None:
            used = Content.assemble(dot, ("used", "$primary")) if self._newest[0] else ""
            self.show_border(subtitle=Content.assemble(("planned", "$accent"), used))
        else:
            parts: list[str | tuple[str, str]] = [f"step {count(step)}"]
            if (planned := self._planned(step)) is not None:
                parts += [dot, (f"planned {learning_rate(planned)}", "$accent")]
            if (used_here := self._steps.value_at(RATE, step)) is not None:
                parts += [dot, (f"used {learning_rate(used_here)}", "$primary")]
            self.show_border(subtitle=Content.assemble(*parts))
