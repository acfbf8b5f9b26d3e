"""LossChart: the loss, or another main figure, raw and smoothed, and of held-out rows, on a linear or a log scale."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from cockpit.protocol.events import LOSS, MainFigure
from cockpit.runs.steps import Steps
from cockpit.runs.table import Extent, Table
from cockpit.text.numbers import NOT_A_NUMBER, count, metric
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.axis import Axis
from cockpit.ui.widgets.braille import BrailleCanvas
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.loss_course import LossCourse, ShownLosses
from cockpit.ui.widgets.loss_readout import readout
from cockpit.ui.widgets.plot import Frame, dot_rows
from cockpit.ui.widgets.step_chart import StepChart
from cockpit.ui.widgets.step_window import StepWindow

_AXIS, _READ, _RAW, _HELD_OUT, _SMOOTHED, _MARK, _LABEL, _CLIPPED, _BROKEN = range(1, 10)
FEW_MARKS = 4
"""Columns for each held-out loss from which on each has a mark; with less they are a curve."""
BORDER_CELLS = 2
"""Cells of a line that the border keeps around what is written on it."""


class LossChart(StepChart):
    """Give it the steps as they grow: it takes in what is new. A curve of any length costs the same to draw."""

    HELP = (
        "The loss of every step, or what else the method is judged by (dim), smoothed (bright) over more steps the "
        "longer the run, and on the held-out rows. "
        "Where it is not a finite number the curve breaks, and a cross marks where that began. Outliers, which would "
        f"leave no room for the rest, lie beyond the rim at an arrow. l and y change the scale. {StepChart.KEYS_HELP}"
    )
    COMPONENT_CLASSES = {
        "loss-chart--axis",
        "loss-chart--raw",
        "loss-chart--smoothed",
        "loss-chart--held-out",
        "loss-chart--mark",
        "loss-chart--label",
        "loss-chart--clipped",
        "loss-chart--broken",
    }
    INKS = (
        "loss-chart--axis",
        "loss-chart--axis",
        "loss-chart--raw",
        "loss-chart--held-out",
        "loss-chart--smoothed",
        "loss-chart--mark",
        "loss-chart--label",
        "loss-chart--clipped",
        "loss-chart--broken",
    )
    DEFAULT_CSS = """
    LossChart {
        height: 1fr;
        min-height: 4;
    }
    LossChart > .loss-chart--axis { color: $text-muted; }
    LossChart > .loss-chart--raw { color: $primary 58%; }
    LossChart:light > .loss-chart--raw { color: $primary 72%; }
    LossChart > .loss-chart--smoothed { color: $primary; }
    LossChart > .loss-chart--held-out { color: $held-out; }
    LossChart > .loss-chart--mark { color: $held-out; text-style: bold; }
    LossChart > .loss-chart--label { color: $foreground; text-style: bold; }
    LossChart > .loss-chart--clipped { color: $warning; text-style: bold; }
    LossChart > .loss-chart--broken { color: $error; text-style: bold; }
    """

    def __init__(self, window: StepWindow | None = None, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(window, id=id, classes=classes)
        self.course = LossCourse(Steps(), Table())
        self._called = "loss"
        self._taken: tuple[object, ...] = ()
        self._log_scale, self._clips = False, True
        self._why_empty = "No step has ended yet."
        self._write_border()

    @property
    def log_scale(self) -> bool:
        """Whether equal distances are equal factors."""
        return self._log_scale

    @log_scale.setter
    def log_scale(self, on: bool) -> None:
        self._log_scale = on
        self.window_changed()

    @property
    def clips(self) -> bool:
        """Whether outliers may lie beyond the rim."""
        return self._clips

    @clips.setter
    def clips(self, on: bool) -> None:
        self._clips = on
        self.window_changed()

    def set_why_empty(self, text: str) -> None:
        """What is shown while there is no step."""
        if text != self._why_empty:
            self._why_empty = text
            self.changed()

    def set_course(self, steps: Steps, evaluations: Table, main: MainFigure = LOSS) -> None:
        """The steps and the evaluations so far: the same objects each time, or another run's; what of them is drawn."""
        course = self.course
        if steps is not course.steps or evaluations is not course.held_out or main.name != course.figure:
            self.course, self._called = LossCourse(steps, evaluations, main.name), plain_line(main.label)
            self._taken = ()
        newest = steps.at[-1] if len(steps) else None
        taken = (len(steps), steps.newest_step, newest, len(evaluations), evaluations.newest_step)
        if taken != self._taken:
            self._taken = taken
            self.window.set_newest(steps.newest_step)
            self.window_changed()

    def window_changed(self) -> None:
        super().window_changed()
        self._write_border()

    def draw(self, width: int, height: int) -> BrailleCanvas:
        shown = self._shown()
        if shown is None:
            _, since = self.course.not_finite()
            never = f"The {self._called} is not a finite number since step {since}."
            return self.message(width, height, never if since else self._why_empty, _AXIS)
        axis = Axis.around(shown.low, shown.high, max(3, (height - 1) * 2 // 5), log=self._log_scale)
        frame = self.frame(width, height, axis, _AXIS)
        extents = self.course.steps.extents(self.course.figure, frame.first, frame.last, frame.dots)
        frame.canvas.points(dot_rows(frame, extents), _RAW, frame.left * 2)
        smoothed = self.course.smoothed(frame.steps, shown)
        self._draw_smoothed(frame, smoothed)
        self._draw_held_out(frame)
        self._mark_clipped(frame, extents, _CLIPPED)
        self._label(frame, smoothed)
        self.draw_cursor(frame, _READ)
        return frame.canvas

    def _shown(self) -> ShownLosses | None:
        window = self.window
        return self.course.shown(window.first, window.last, log=self._log_scale, clips=self._clips)

    def _draw_smoothed(self, frame: Frame, smoothed: Sequence[float | None]) -> None:
        """The smoothed curve, in pieces between the steps without a finite loss; each gap is marked where it begins."""
        canvas, left, steps = frame.canvas, frame.left * 2, self.course.steps
        spans = dot_rows(frame, [None if mean is None else (mean, mean) for mean in smoothed])
        breaks = steps.breaks(self.course.figure, frame.first, frame.last, len(spans))
        begin, row = 0, frame.rows * 4 - 1
        for at, end in enumerate([*breaks, len(spans)]):
            piece = [span for span in spans[begin:end] if span]
            canvas.curve(spans[begin:end], _SMOOTHED, left + begin)
            row = piece[-1][1] if piece else row
            if end < len(spans) and (piece or at == 0):
                canvas.write((left + end) // 2, row // 4, glyphs().broken, _BROKEN)
            begin = end

    def _draw_held_out(self, frame: Frame) -> None:
        """A mark for each held-out loss; where they are many a curve, with marks some way apart, the newest among them.
        What is not a finite number is marked at the top."""
        canvas, left, held_out = frame.canvas, frame.left * 2, self.course.held_out
        extents = held_out.extents(self.course.measured, frame.first, frame.last, frame.dots)
        spans = dot_rows(frame, extents)
        marks = {(left + at) // 2: span[0] // 4 for at, span in enumerate(spans) if span}
        apart = 1
        if len(marks) * FEW_MARKS > frame.columns:
            canvas.curve(spans, _HELD_OUT, left)
            apart = 2 * FEW_MARKS
        free = frame.canvas.width
        for column, row in reversed(marks.items()):
            if column <= free:
                canvas.write(column, row, glyphs().mark, _MARK)
                free = column - apart
        self._mark_clipped(frame, extents, _MARK)
        for at in held_out.breaks(self.course.measured, frame.first, frame.last, frame.dots):
            canvas.write((left + at) // 2, 0, glyphs().broken, _MARK)

    def _mark_clipped(self, frame: Frame, extents: Sequence[Extent | None], ink: int) -> None:
        """An arrow at the rim in each column with a value beyond it."""
        for at, extent in enumerate(extents, frame.left * 2):
            if extent and extent[1] > frame.axis.high:
                frame.canvas.write(at // 2, 0, glyphs().up, ink)
            if extent and extent[0] < frame.axis.low:
                frame.canvas.write(at // 2, frame.rows - 1, glyphs().down, ink)

    def _label(self, frame: Frame, smoothed: Sequence[float | None]) -> None:
        """The newest smoothed value, where it hides nothing: behind the curve's end, else above or under it."""
        newest = self.course.steps.newest_step
        loss = smoothed[frame.steps.dot(newest)] if frame.first <= newest <= frame.last else None
        if loss is None:
            return
        text = metric(loss)
        column, row = frame.dot_column(newest) // 2, frame.dot_row(loss) // 4
        back = frame.canvas.width - len(text)
        places = [(column + 2, row), (column + 2, row - 1), (column + 2, row + 1)]
        nearest = sorted(range(frame.rows), key=lambda other: abs(other - row))
        places += [(min(column - len(text) // 2, back), other) for other in nearest]
        free = [place for place in places if place[1] < frame.rows and frame.canvas.is_empty(*place, len(text))]
        at, row = (free or [(back, 0)])[0]
        frame.canvas.write(at, row, text, _LABEL)

    # What the border says

    def _write_border(self) -> None:
        signs, window = glyphs(), self.window
        parts = [self._called]
        if len(self.course.steps):
            parts += ["log scale"] * self._log_scale + ["outliers shown"] * (not self._clips)
        if not window.is_whole:
            parts.append(f"steps {count(window.first)} to {count(window.last)} of {count(window.end)}")
        self.show_border(title=Content(f" {signs.dot} ".join(parts)))
        if not len(self.course.steps):
            return
        said = self._legend() if window.cursor is None else self._read(window.cursor)
        self.show_border(subtitle=Content(f" {signs.dot} ").join(said))

    def _legend(self) -> list[Content]:
        signs, shown = glyphs(), self._shown()
        said = [Content.styled("raw", "$foreground-muted"), Content.styled(self._smoothed(), "bold")]
        if len(self.course.held_out):
            said.append(Content.styled(f"{signs.mark} held out", "$held-out"))
        if shown is not None and shown.above is not None:
            said.append(Content.styled(f"{signs.up} up to {metric(shown.above)}", "$warning"))
        if shown is not None and shown.below is not None:
            said.append(Content.styled(f"{signs.down} down to {metric(shown.below)}", "$warning"))
        many, since = self.course.not_finite()
        if many:
            where = f"since step {since:,}" if since else f"at {many:,} step{'s' * (many > 1)}"
            said.append(Content.styled(f"{signs.broken} {NOT_A_NUMBER} {where}", "$error"))
        return said

    def _smoothed(self) -> str:
        span = self.course.span(self.window.first, self.window.last)
        return f"smoothed over {count(span)}" if span > 1 else "smoothed"

    def _read(self, step: int) -> list[Content]:
        """What lies at the step that is read."""
        axis, shown, smoothed = self.steps_shown, self._shown(), None
        if shown is not None and axis.first <= step <= axis.last:
            smoothed = self.course.smoothed(axis, shown)[axis.dot(step)]
        reading = self.course.reading(step, axis.steps_beside(step), smoothed)
        return readout(reading, self._called, self.size.width - BORDER_CELLS)
