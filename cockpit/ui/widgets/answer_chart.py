"""AnswerChart: what answers come to while a run trains: learned and kept apart, and measures of held-out rows."""

from __future__ import annotations

from textual.content import Content

from cockpit.runs.table import Table
from cockpit.text.numbers import count, percent
from cockpit.ui.widgets.axis import Axis
from cockpit.ui.widgets.braille import BrailleCanvas
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.plot import Frame, dot_rows
from cockpit.ui.widgets.step_chart import StepChart
from cockpit.ui.widgets.step_window import StepWindow

_AXIS, _READ = 1, 2
COLOURS = {
    "eval_learned": "$primary",
    "eval_kept": "$warning",
    "eval_exact_match": "$held-out",
    "eval_token_f1": "$accent",
    "eval_json_valid": "$success",
    "eval_regex": "$foreground",
    "eval_function": "$error",
}
"""The curves, those that are drawn on top last; eval_suite, the mean of the first two, is only written."""
GAP = 3
"""Cells between two figures of the legend."""


class AnswerChart(StepChart):
    """Give it the table of what was measured as it grows."""

    HELP = (
        "How many of the answers are right, from 0 to 100 %: of the suite what was to be learned and what was to be "
        "kept, and what evaluation measures of held-out rows. A mark for each time that all of them were given. "
        f"{StepChart.KEYS_HELP}"
    )
    COMPONENT_CLASSES = {
        "answer-chart--axis",
        "answer-chart--read",
        *(f"answer-chart--{name.removeprefix('eval_').replace('_', '-')}" for name in COLOURS),
    }
    INKS = (
        "answer-chart--axis",
        "answer-chart--read",
        *(f"answer-chart--{name.removeprefix('eval_').replace('_', '-')}" for name in COLOURS),
    )
    DEFAULT_CSS = """
    AnswerChart {
        height: 1fr;
        min-height: 4;
    }
    AnswerChart > .answer-chart--axis, AnswerChart > .answer-chart--read { color: $text-muted; }
    """ + "\n".join(
        f"    AnswerChart > .answer-chart--{name.removeprefix('eval_').replace('_', '-')} {{ color: {colour}; }}"
        for name, colour in COLOURS.items()
    )

    def __init__(self, window: StepWindow | None = None, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(window, id=id, classes=classes)
        self._measured = Table()
        self._taken: tuple[int, int | None] = (0, None)
        self._why_empty = "No answer was measured yet."
        self.show_border(title=Content("answers"))

    def show(self, measured: Table, why_empty: str) -> None:
        """What was measured so far: the same object each time, or another run's."""
        taken = (len(measured), measured.newest_step if len(measured) else None)
        if measured is not self._measured or taken != self._taken or why_empty != self._why_empty:
            self._measured, self._taken, self._why_empty = measured, taken, why_empty
            self.window_changed()

    def window_changed(self) -> None:
        super().window_changed()
        cursor, table = self.window.cursor, self._measured
        last = table.step.row_from(cursor + 1) - 1 if cursor is not None else len(table) - 1
        if last < 0:
            self.show_border(title=Content("answers"), subtitle=Content(""))
            return
        step = table.step[last]
        when = f"step {count(step)}" if step else "before training"
        self.show_border(title=Content(f"answers {glyphs().dot} {when}"), subtitle=self._legend(step))

    def on_resize(self) -> None:
        """There is room for more of the legend now, or for less."""
        self.window_changed()

    def draw(self, width: int, height: int) -> BrailleCanvas:
        if not len(self._measured):
            return self.message(width, height, self._why_empty, _AXIS)
        axis = Axis.around(0.0, 1.0, max(2, (height - 1) // 3), label=percent)
        frame = self.frame(width, height, axis, _AXIS)
        for ink, name in reversed(list(enumerate(COLOURS, _READ + 1))):
            if self._measured.column(name) is not None:
                self._draw_curve(frame, name, ink)
        self.draw_cursor(frame, _READ)
        return frame.canvas

    def _draw_curve(self, frame: Frame, name: str, ink: int) -> None:
        """A line from each time to the next, and a mark at each where they are few."""
        spans = dot_rows(frame, self._measured.extents(name, frame.first, frame.last, frame.dots))
        left = frame.left * 2
        frame.canvas.curve(spans, ink, left)
        marks = {(left + at) // 2: span[0] // 4 for at, span in enumerate(spans) if span}
        if 4 * len(marks) <= frame.columns:
            for column, row in marks.items():
                frame.canvas.write(column, row, glyphs().mark, ink)

    def _legend(self, step: int) -> Content:
        """The figures of a step, the first ones where there is no room for all."""
        said = []
        for name in (*COLOURS, "eval_suite"):
            value = self._measured.value_at(name, step)
            if value is not None:
                words = f"{name.removeprefix('eval_').replace('_', ' ')} {percent(value)}"
                said.append(Content.styled(words, COLOURS.get(name, "$foreground-muted")))
        room = self.size.width - 2
        while len(said) > 1 and sum(one.cell_length + GAP for one in said) - GAP > room:
            said.pop()
        return Content(f" {glyphs().dot} ").join(said)
