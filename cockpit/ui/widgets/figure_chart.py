"""FigureChart: what a method measures beside the loss, such as rewards: one of its charts at a time."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from cockpit.recipe.methods.method import Chart, Figure
from cockpit.runs.steps import Steps
from cockpit.runs.table import Table
from cockpit.text.numbers import count, metric
from cockpit.ui.widgets.axis import Axis
from cockpit.ui.widgets.braille import BrailleCanvas
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.plot import Frame, dot_rows
from cockpit.ui.widgets.step_chart import StepChart
from cockpit.ui.widgets.step_window import StepWindow

_AXIS, _READ, _MARK, _FIRST = 1, 2, 3, 4
COLOURS = ("$primary", "$warning", "$accent", "$success", "$error")
"""Of the curves of a chart, in the order of its figures."""
GAP = 3
"""Cells between two figures of the legend."""


class FigureChart(StepChart):
    """Give it the method, and the steps and evaluations as they grow."""

    HELP = (
        "What the method measures of each step, as TRL logs it, averaged where a column stands for several; marks "
        f"are of the held-out rows. n shows the next of the method's charts. {StepChart.KEYS_HELP}"
    )
    INKS = (
        "figure-chart--axis",
        "figure-chart--read",
        "figure-chart--mark",
        *(f"figure-chart--curve{at}" for at in range(len(COLOURS))),
    )
    COMPONENT_CLASSES = set(INKS)
    DEFAULT_CSS = """
    FigureChart { height: 1fr; min-height: 4; }
    FigureChart > .figure-chart--axis, FigureChart > .figure-chart--read { color: $text-muted; }
    FigureChart > .figure-chart--mark { color: $held-out; text-style: bold; }
    """ + "\n".join(
        f"    FigureChart > .figure-chart--curve{at} {{ color: {colour}; }}" for at, colour in enumerate(COLOURS)
    )

    def __init__(self, window: StepWindow | None = None, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(window, id=id, classes=classes)
        self._charts: Sequence[Chart] = ()
        self._labels: dict[str, str] = {}
        self._steps, self._held_out = Steps(), Table()
        self._taken: tuple[object, ...] = ()
        self._why_empty = "No step has ended yet."
        self.at = 0
        """Which of the charts is shown."""

    def show(
        self, charts: Sequence[Chart], figures: Sequence[Figure], steps: Steps, held_out: Table, why_empty: str
    ) -> None:
        """The steps and the evaluations so far: the same objects each time, or another run's."""
        self._charts = charts
        self._labels = {figure.name: figure.label.strip() for figure in figures}
        taken = (tuple(charts), len(steps), steps.newest_step, len(held_out), why_empty, id(steps))
        if taken != self._taken:
            self._steps, self._held_out, self._taken, self._why_empty = steps, held_out, taken, why_empty
            self.window_changed()

    def show_next(self) -> None:
        """The next of the charts, the first after the last."""
        self.at = (self.at + 1) % max(1, len(self._charts))
        self.window_changed()

    @property
    def chart(self) -> Chart | None:
        """The one that is shown; None where the method has none."""
        return self._charts[self.at % len(self._charts)] if self._charts else None

    def window_changed(self) -> None:
        super().window_changed()
        chart = self.chart
        if chart is None:
            return
        place = f" {glyphs().dot} {self.at + 1} of {len(self._charts)}" if len(self._charts) > 1 else ""
        self.show_border(title=Content(f"{chart.title}{place}"), subtitle=self._legend(chart))

    def on_resize(self) -> None:
        """There is room for more of the legend now, or for less."""
        self.window_changed()

    def draw(self, width: int, height: int) -> BrailleCanvas:
        chart, window = self.chart, self.window
        known = [] if chart is None else self._extents(chart, window.first, window.last)
        if chart is None or not known:
            return self.message(width, height, self._why_empty, _AXIS)
        low, high = min(one[0] for one in known), max(one[1] for one in known)
        frame = self.frame(width, height, Axis.around(low, high, max(2, (height - 1) * 2 // 5)), _AXIS)
        for ink, name in reversed(list(enumerate(chart.figures, _FIRST))):
            means = self._steps.totals(name, frame.first, frame.last, frame.dots)
            spans = dot_rows(frame, [total and (total[0] / total[1], total[0] / total[1]) for total in means])
            frame.canvas.curve(spans, ink, frame.left * 2)
            self._mark(frame, f"eval_{name}")
        self.draw_cursor(frame, _READ)
        return frame.canvas

    def _extents(self, chart: Chart, first: int, last: int) -> list[tuple[float, float]]:
        found = [self._steps.extent(name, first, last) for name in chart.figures]
        found += [self._held_out.extent(f"eval_{name}", first, last) for name in chart.figures]
        return [one for one in found if one is not None]

    def _mark(self, frame: Frame, name: str) -> None:
        extents = self._held_out.extents(name, frame.first, frame.last, frame.dots)
        for at, span in enumerate(dot_rows(frame, extents)):
            if span:
                frame.canvas.write((frame.left * 2 + at) // 2, span[0] // 4, glyphs().mark, _MARK)

    def _legend(self, chart: Chart) -> Content:
        """The newest figures, or those of the step that is read; the first ones where there is no room for all."""
        step = self.window.cursor if self.window.cursor is not None else self._steps.newest_step
        said = []
        for name, colour in zip(chart.figures, COLOURS, strict=False):
            value = self._steps.value_at(name, step)
            if value is not None:
                label = name.removesuffix("/mean").rpartition("/")[2]
                label = label if len(chart.figures) > 1 else self._labels[name]
                said.append(Content.styled(f"{label.replace('_', ' ')} {metric(value)}", colour))
        if self.window.cursor is not None:
            said.append(Content.styled(f"step {count(step)}", "$foreground-muted"))
        room = self.size.width - 2
        while len(said) > 1 and sum(one.cell_length + GAP for one in said) - GAP > room:
            said.pop()
        return Content(f" {glyphs().dot} ").join(said)
