"""OverlayChart: a figure of several runs on one axis: steps, tokens or seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cockpit.ui.widgets.axis import Axis
from cockpit.ui.widgets.braille import BrailleCanvas
from cockpit.ui.widgets.plot import Frame, Plot

AXIS_INK, FIRST_INK = 1, 2
COLOURS = ("primary", "held-out", "success", "warning", "accent", "foreground")
"""Of the runs, in the order in which they are numbered: the number stands at the end of each curve."""


@dataclass(frozen=True)
class Curve:
    """Points from left to right, and the number at its end."""

    number: int
    points: Sequence[tuple[float, float]]


class OverlayChart(Plot):
    """`show` takes the curves."""

    HELP = (
        "One curve a run; its number stands at its end. x counts by steps, trained tokens or seconds, h shows "
        "the held-out rows in place of training."
    )
    COMPONENT_CLASSES = {"overlay-chart--axis", *(f"overlay-chart--run{number}" for number in range(1, 7))}
    INKS = ("overlay-chart--axis", *(f"overlay-chart--run{number}" for number in range(1, 7)))
    DEFAULT_CSS = "OverlayChart { height: 1fr; min-height: 4; }\n" + "\n".join(
        [
            "OverlayChart > .overlay-chart--axis { color: $text-muted; }",
            *(
                f"OverlayChart > .overlay-chart--run{number} {{ color: ${colour}; }}"
                for number, colour in enumerate(COLOURS, 1)
            ),
        ]
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._curves: Sequence[Curve] = ()
        self._why_empty = ""
        self.log_scale = False

    def show(self, curves: Sequence[Curve], why_empty: str) -> None:
        """Draw these; where none has a point, say why."""
        self._curves, self._why_empty = curves, why_empty
        self.changed()

    def draw(self, width: int, height: int) -> BrailleCanvas:
        points = [point for curve in self._curves for point in curve.points]
        if not points:
            return self.message(width, height, self._why_empty, AXIS_INK)
        values = [value for _, value in points]
        axis = Axis.around(min(values), max(values), max(2, height // 3), log=self.log_scale and min(values) > 0)
        last = max(1, round(max(at for at, _ in points)))
        frame = Frame(width, height, axis, 0, last, AXIS_INK, 0)
        for curve in self._curves:
            self._draw_curve(frame, curve)
        for curve in self._curves:
            if curve.points:
                at, value = curve.points[-1]
                column = min(frame.dot_column(at) // 2, frame.canvas.width - 1)
                frame.canvas.write(column, frame.dot_row(value) // 4, str(curve.number), FIRST_INK + curve.number - 1)
        return frame.canvas

    def _draw_curve(self, frame: Frame, curve: Curve) -> None:
        """The mean of what falls into each column of dots."""
        sums: dict[int, tuple[float, int]] = {}
        for at, value in curve.points:
            column = frame.dot_column(at)
            total, count = sums.get(column, (0.0, 0))
            sums[column] = (total + value, count + 1)
        spans: list[tuple[int, int] | None] = [None] * (frame.canvas.width * 2)
        for column, (total, count) in sums.items():
            if column < len(spans):
                row = frame.dot_row(total / count)
                spans[column] = (row, row)
        frame.canvas.curve(spans, FIRST_INK + curve.number - 1)
