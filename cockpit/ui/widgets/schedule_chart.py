"""ScheduleChart: the learning rate planned for every step, the present step, and the rate that was measured there."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cockpit.runs.table import Extent
from cockpit.text.numbers import learning_rate
from cockpit.ui.widgets.axis import Axis
from cockpit.ui.widgets.braille import BrailleCanvas
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.plot import Frame, Plot

_AXIS, _PLAN, _DONE, _CURSOR, _MEASURED = range(1, 6)
LOOKS = 32
"""Rates that are looked at in each column of dots: the course of a schedule is smooth."""


class ScheduleChart(Plot):
    """Set the plan, then the step as it moves on. Titles belong on its border: `schedule_title` writes one."""

    COMPONENT_CLASSES = {
        "schedule-chart--axis",
        "schedule-chart--plan",
        "schedule-chart--done",
        "schedule-chart--cursor",
        "schedule-chart--measured",
    }
    INKS = (
        "schedule-chart--axis",
        "schedule-chart--plan",
        "schedule-chart--done",
        "schedule-chart--cursor",
        "schedule-chart--measured",
    )
    DEFAULT_CSS = """
    ScheduleChart {
        height: 1fr;
        min-height: 4;
    }
    ScheduleChart > .schedule-chart--axis { color: $text-muted; }
    ScheduleChart > .schedule-chart--plan { color: $accent; }
    ScheduleChart > .schedule-chart--done { color: $primary; }
    ScheduleChart > .schedule-chart--cursor { color: $foreground; }
    ScheduleChart > .schedule-chart--measured { color: $foreground; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._plan: Sequence[float] = ()
        self._total = 0
        self._highest = 0.0
        self._extents: list[Extent | None] = []
        """Of the plan, for each column of dots; empty until they are known for the present width."""
        self._step: int | None = None
        self._measured: float | None = None
        self._why_empty = "The steps are not known yet."

    def set_plan(self, rates: Sequence[float], why_empty: str | None = None, total_steps: int | None = None) -> None:
        """The rate of every step, from step 1 on. When there is none, `why_empty` is shown in its place. `total_steps`:
        those of the run, where the rates of the later ones are not known."""
        if why_empty is not None:
            self._why_empty = why_empty
        self._plan, self._total = rates, max(len(rates), total_steps or 0)
        self._highest = max(high for _, high in filter(None, extents_of(rates, len(rates), LOOKS))) if rates else 0.0
        self._extents = []
        self.changed()

    def set_step(self, step: int | None, measured: float | None = None) -> None:
        """The last finished step (None or 0: none), and the learning rate that the trainer reported for it."""
        if measured is not None and not math.isfinite(measured):
            measured = None
        if (step, measured) != (self._step, self._measured):
            self._step, self._measured = step, measured
            self.changed()

    def draw(self, width: int, height: int) -> BrailleCanvas:
        plan = self._plan
        if not plan:
            return self.message(width, height, self._why_empty, _AXIS)
        highest = max(self._measured or 0.0, self._highest)
        axis = Axis.around(0.0, highest or 1.0, max(2, height // 3), label=short_rate)
        frame = Frame(width, height, axis, 1, max(2, self._total), _AXIS)
        step = min(self._step or 0, len(plan))
        first = frame.left * 2
        spans = self._spans(frame)
        cut = frame.dot_column(step) - first + 1 if step else 0
        frame.canvas.curve(spans, _PLAN, first)
        frame.canvas.curve(spans[:cut], _DONE, first)
        if step:
            self._draw_cursor(frame, step)
        return frame.canvas

    def _spans(self, frame: Frame) -> list[tuple[int, int] | None]:
        """Per column of dots, the rows that the plan's steps in it reach."""
        if len(self._extents) != frame.columns * 2:
            self._extents = extents_of(self._plan, self._total, frame.columns * 2)
        return [extent and (frame.dot_row(extent[1]), frame.dot_row(extent[0])) for extent in self._extents]

    def _draw_cursor(self, frame: Frame, step: int) -> None:
        signs = glyphs()
        planned = self._plan[step - 1]
        rate = planned if self._measured is None else self._measured
        at = frame.dot_column(step) // 2
        for row in range(frame.rows):
            frame.canvas.write(at, row, signs.cursor, _CURSOR)
        row = frame.dot_row(rate) // 4
        frame.canvas.write(at, row, signs.mark, _MEASURED)
        text = f" {learning_rate(rate)}"
        beside = [(at + 1, row), (at + 1, row - 1), (at + 1, row + 1), (at - len(text) - 1, row + 1)]
        beside += [(at + 1, r) for r in (row - 2, row - 3)]
        beside += [(at - len(text) - 1, r) for r in (row, row - 1, row - 2, row + 2)]
        free = [place for place in beside if place[1] < frame.rows and frame.canvas.is_empty(*place, len(text))]
        column, row = (free or [(min(at + 1, frame.canvas.width - len(text)), row)])[0]
        frame.canvas.write(column, row, text, _MEASURED)


def extents_of(rates: Sequence[float], total: int, count: int) -> list[Extent | None]:
    """The lowest and the highest of the rates of steps 1, 2 ... in each of `count` columns of dots, whose middles run
    from step 1 to step `total`; None where there is none. Of many rates in a column LOOKS are looked at."""
    found: list[Extent | None] = []
    for column in range(count):
        first, end = (max(0, -(-(2 * at - 1) * (total - 1) // (2 * max(1, count - 1)))) for at in (column, column + 1))
        end = min(end if column + 1 < count else total, len(rates))
        every = max(1, (end - first) // LOOKS)
        part = [rates[at] for at in [*range(first, end, every), *([end - 1] if end > first else [])]]
        found.append((min(part), max(part)) if part else None)
    return found


def short_rate(value: float) -> str:
    """A rate for an axis: 2e-4, 1.5e-4, 0."""
    if value == 0:
        return "0"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"


def schedule_title(scheduler: str, warmup_steps: int, known_steps: int = 0, total_steps: int | None = None) -> str:
    """What the chart's border says: learning rate · linear, 5 warm-up steps. Where only the rates of the first
    `known_steps` are known, that the others depend on what is measured."""
    said = f", {warmup_steps:,} warm-up step{'s' * (warmup_steps != 1)}" if warmup_steps else ""
    if total_steps and 0 < known_steps < total_steps:
        said = f", from step {known_steps + 1:,} on as evaluations go"
    return f"learning rate {glyphs().dot} {scheduler.replace('_', ' ')}{said}"
