"""ScheduleChart: the learning rate that is planned for every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cockpit.runs.table import Extent
from cockpit.ui.widgets.axis import Axis
from cockpit.ui.widgets.braille import BrailleCanvas
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.plot import Frame, dot_rows
from cockpit.ui.widgets.step_chart import StepChart
from cockpit.ui.widgets.step_window import StepWindow

AXIS_INK, PLAN_INK = 1, 2
LOOKS = 4
"""Rates that are looked at in each column of dots: the course of a schedule is smooth."""


class ScheduleChart(StepChart):
    """Set the plan. Titles belong on its border: `schedule_title` writes one."""

    COMPONENT_CLASSES = {"schedule-chart--axis", "schedule-chart--plan"}
    INKS: ClassVar[tuple[str, ...]] = ("schedule-chart--axis", "schedule-chart--plan")
    DEFAULT_CSS = """
    ScheduleChart {
        height: 1fr;
        min-height: 4;
    }
    ScheduleChart > .schedule-chart--axis { color: $text-muted; }
    ScheduleChart > .schedule-chart--plan { color: $accent; }
    """

    def __init__(self, window: StepWindow | None = None, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(window, id=id, classes=classes)
        self.plan: Sequence[float] = ()
        """The rate of every step, from step 1 on, as far as it is known."""
        self._highest = 0.0
        self._extents: list[Extent | None] = []
        self._extents_of: tuple[int, int, int] | None = None
        """The steps and columns of dots that `_extents` are known for."""
        self._why_empty = "The steps are not known yet."

    def set_plan(self, rates: Sequence[float], why_empty: str | None = None, total_steps: int | None = None) -> None:
        """The rate of every step, from step 1 on. When there is none, `why_empty` is shown in its place. `total_steps`:
        those of the run, where the rates of the later ones are not known."""
        if why_empty is not None:
            self._why_empty = why_empty
        self.plan, self._extents_of = rates, None
        known = filter(None, extents_of(rates, 1, len(rates), 1024))
        self._highest = max((high for _, high in known), default=0.0)
        self.set_total(max(len(rates), total_steps or 0) or None)
        self.changed()

    def draw(self, width: int, height: int) -> BrailleCanvas:
        if not self.plan and not self.highest():
            return self.message(width, height, self._why_empty, AXIS_INK)
        axis = Axis.around(0.0, self.highest() or 1.0, max(2, height // 3), label=short_rate)
        frame = self.frame(width, height, axis, AXIS_INK)
        asked = (frame.first, frame.last, frame.dots)
        if asked != self._extents_of:
            self._extents, self._extents_of = extents_of(self.plan, *asked), asked
        frame.canvas.curve(dot_rows(frame, self._extents), PLAN_INK, frame.left * 2)
        self.draw_run(frame)
        return frame.canvas

    def highest(self) -> float:
        """The highest rate that is drawn."""
        return self._highest

    def draw_run(self, frame: Frame) -> None:
        """Draw what has become of the plan."""


def extents_of(rates: Sequence[float], first: int, last: int, count: int) -> list[Extent | None]:
    """The lowest and the highest of the rates of steps 1, 2 ... in each of `count` columns of dots, whose middles run
    from step `first` to step `last`; None where there is none. Of many rates in a column LOOKS are looked at."""
    found: list[Extent | None] = []
    gaps = 2 * max(1, count - 1)
    for column in range(count):
        begin, end = (first - (-by * (last - first) // gaps) for by in (2 * column - 1, 2 * column + 1))
        begin, end = max(begin, first, 1), min(end, last + 1, len(rates) + 1)
        every = max(1, (end - begin) // LOOKS)
        part = [rates[at - 1] for at in [*range(begin, end, every), *([end - 1] if end > begin else [])]]
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
