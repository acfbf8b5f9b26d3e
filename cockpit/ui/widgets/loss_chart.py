"""LossChart: the training loss, raw and smoothed, and the loss on held-out rows, on a linear or a log scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual.content import Content

from cockpit.runs.steps import Steps
from cockpit.runs.table import Extent
from cockpit.text.numbers import NOT_A_NUMBER, metric
from cockpit.ui.widgets.axis import Axis
from cockpit.ui.widgets.braille import BrailleCanvas
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.plot import Frame, Plot

_AXIS, _RAW, _SMOOTHED, _EVAL, _LABEL, _BROKEN = range(1, 7)
LOG_COLUMNS = 1024
"""Stretches of the run in each of which the log scale looks for a loss above 0, where there are losses that are not."""
SHORTEST_WINDOW = 16
"""Steps that the chart shows at least, where so many are planned."""


class LossChart(Plot):
    """Give it the steps as they grow: it takes in what is new. A finished curve of any length costs the same to draw.

    While a run is young the chart shows the first eighth, quarter or half of it, then all: so the curve is never a
    sliver, and the scale changes three times and not at every step.
    """

    HELP = (
        "The loss of every step (dim), smoothed (bright), and on the held-out rows. Where it is not a finite number "
        "the curve breaks, and a cross marks where that began. l switches to a log scale."
    )
    COMPONENT_CLASSES = {
        "loss-chart--axis",
        "loss-chart--raw",
        "loss-chart--smoothed",
        "loss-chart--eval",
        "loss-chart--label",
        "loss-chart--broken",
    }
    INKS = (
        "loss-chart--axis",
        "loss-chart--raw",
        "loss-chart--smoothed",
        "loss-chart--eval",
        "loss-chart--label",
        "loss-chart--broken",
    )
    DEFAULT_CSS = """
    LossChart {
        height: 1fr;
        min-height: 4;
    }
    LossChart > .loss-chart--axis { color: $text-muted; }
    LossChart > .loss-chart--raw { color: $primary 45%; }
    LossChart > .loss-chart--smoothed { color: $primary; }
    LossChart > .loss-chart--eval { color: $held-out; text-style: bold; }
    LossChart > .loss-chart--label { color: $foreground; text-style: bold; }
    LossChart > .loss-chart--broken { color: $error; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._steps = Steps()
        self._taken = 0
        self._last: tuple[int, float] | None = None
        self._last_smoothed: float | None = None
        self._not_finite = 0
        """Steps whose loss is not a finite number."""
        self._not_finite_since: int | None = None
        """The first of those that the newest step is one of; None where its loss is finite."""
        self._total: int | None = None
        self._evaluations: Sequence[tuple[int, float]] = ()
        self._log_scale = False
        self._why_empty = "No step has ended yet."
        self._write_border()

    @property
    def log_scale(self) -> bool:
        """Whether equal distances are equal factors."""
        return self._log_scale

    @log_scale.setter
    def log_scale(self, on: bool) -> None:
        self._log_scale = on
        self._write_border()
        self.changed()

    def set_why_empty(self, text: str) -> None:
        """What is shown while there is no step."""
        if text != self._why_empty:
            self._why_empty = text
            self.changed()

    def set_total(self, steps: int | None) -> None:
        """How many steps are planned."""
        if steps != self._total:
            self._total = steps
            self.changed()

    def set_evaluations(self, evaluations: Sequence[tuple[int, float]]) -> None:
        """(step, loss) on the held-out rows, in order of step."""
        if evaluations != self._evaluations:
            self._evaluations = evaluations
            self._write_border()
            self.changed()

    def set_steps(self, steps: Steps) -> None:
        """The steps so far: the same object each time, or another run's."""
        count = len(steps)
        newest = (steps.newest_step, steps.at[-1] or 0.0) if count else None
        if steps is self._steps and count == self._taken and newest == self._last:
            return
        self._steps, self._taken, self._last = steps, count, newest
        self._last_smoothed = steps.loss_smoothed[-1] if count else None
        loss = steps.column("loss")
        since = loss.broken_since() if loss is not None else None
        self._not_finite = loss.broken_count() if loss is not None else 0
        self._not_finite_since = steps.step[since] if since is not None else None
        self._write_border()
        self.changed()

    def draw(self, width: int, height: int) -> BrailleCanvas:
        first = 0 if self._evaluations and self._evaluations[0][0] == 0 else 1
        last = max(self._window(), first + 1)
        axis = self._axis(height, first, last)
        if axis is None:
            never = f"The loss is not a finite number since step {self._not_finite_since}."
            return self.message(width, height, never if self._not_finite_since else self._why_empty, _AXIS)
        frame = Frame(width, height, axis, first, last, _AXIS)
        canvas, left = frame.canvas, frame.left * 2
        canvas.points(self._rows(frame, "loss"), _RAW, left)
        self._draw_smoothed(frame)
        self._mark_evaluations(frame)
        if self._last is not None and self._last_smoothed is not None and math.isfinite(self._last_smoothed):
            self._label(frame, self._last[0], self._last_smoothed)
        return canvas

    def _axis(self, height: int, first: int, last: int) -> Axis | None:
        steps = self._steps
        bounds = [bound for name in ("loss", "loss_smoothed") if (bound := steps.extent(name, first, last))]
        losses = [loss for _, loss in self._evaluations if math.isfinite(loss)]
        low = min([low for low, _ in bounds] + losses, default=None)
        high = max([high for _, high in bounds] + losses, default=None)
        if low is None or high is None:
            return None
        if self._log_scale and low <= 0:
            drawn = steps.extents("loss", first, last, LOG_COLUMNS)
            values = [value for extent in drawn if extent for value in extent] + losses
            low = min((value for value in values if value > 0), default=0.0)
        return Axis.around(low, high, max(3, (height - 1) // 3), log=self._log_scale)

    def _window(self) -> int:
        """The last step that is drawn."""
        present = max(self._last[0] if self._last else 1, SHORTEST_WINDOW)
        if self._total is None:
            return 1 << (present - 1).bit_length()
        return next(
            (self._total // part for part in (8, 4, 2) if present <= self._total // part),
            max(self._total, self._last[0] if self._last else 1),
        )

    def _rows(self, frame: Frame, name: str) -> list[tuple[int, int] | None]:
        extents: list[Extent | None] = self._steps.extents(name, frame.first, frame.last, max(1, frame.columns * 2))
        return [extent and (frame.dot_row(extent[1]), frame.dot_row(extent[0])) for extent in extents]

    def _draw_smoothed(self, frame: Frame) -> None:
        """The smoothed curve, in pieces between the steps without a finite loss; each gap is marked where it begins."""
        canvas, left = frame.canvas, frame.left * 2
        spans = self._rows(frame, "loss_smoothed")
        breaks = self._steps.breaks("loss_smoothed", frame.first, frame.last, len(spans))
        begin, row = 0, frame.rows * 4 - 1
        for at, end in enumerate([*breaks, len(spans)]):
            piece = [span for span in spans[begin:end] if span]
            canvas.curve(spans[begin:end], _SMOOTHED, left + begin)
            row = piece[-1][1] if piece else row
            if end < len(spans) and (piece or at == 0):
                canvas.write((left + end) // 2, row // 4, glyphs().broken, _BROKEN)
            begin = end

    def _mark_evaluations(self, frame: Frame) -> None:
        """The last held-out loss of each column; at the top where it is not a finite number."""
        marks = {frame.dot_column(step) // 2: loss for step, loss in self._evaluations}
        for column, loss in marks.items():
            if math.isfinite(loss):
                frame.canvas.write(column, frame.dot_row(loss) // 4, glyphs().mark, _EVAL)
            else:
                frame.canvas.write(column, 0, glyphs().broken, _EVAL)

    def _label(self, frame: Frame, step: int, loss: float) -> None:
        """The newest smoothed value, where it hides nothing: behind the curve's end, else above or under it."""
        text = metric(loss)
        column, row = frame.dot_column(step) // 2, frame.dot_row(loss) // 4
        back = frame.canvas.width - len(text)
        places = [(column + 2, row), (column + 2, row - 1), (column + 2, row + 1)]
        places += [(min(column - len(text) // 2, back), row + by) for by in (-1, 1, -2, 2, -3, 3)]
        free = [place for place in places if place[1] < frame.rows and frame.canvas.is_empty(*place, len(text))]
        at, row = (free or [(back, 0)])[0]
        frame.canvas.write(at, row, text, _LABEL)

    def _write_border(self) -> None:
        signs = glyphs()
        log_scale = f" {signs.dot} log scale" if self._log_scale and self._taken else ""
        self.show_border(title=Content(f"loss{log_scale}"))
        if not self._taken:
            return
        parts: list[Content | str | tuple[str, str]] = [
            ("raw", "$foreground-muted"),
            f" {signs.dot} ",
            ("smoothed", "bold"),
        ]
        if self._evaluations:
            parts += [f" {signs.dot} ", (f"{signs.mark} held out", "$held-out")]
        if self._not_finite:
            since, many = self._not_finite_since, self._not_finite
            where = f"since step {since:,}" if since else f"at {many:,} step{'s' * (many > 1)}"
            parts += [f" {signs.dot} ", (f"{signs.broken} {NOT_A_NUMBER} {where}", "$error")]
        self.show_border(subtitle=Content.assemble(*parts))
