"""Plot: what all charts share. A frame with axes around a braille canvas, drawn anew only when its values change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.content import Content
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from cockpit.runs.table import Extent
from cockpit.ui.widgets.axis import Axis, StepAxis, round_step
from cockpit.ui.widgets.braille import BrailleCanvas
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.lines import changed_strips


class Frame:
    """A canvas with a labelled value axis on its left and steps under it. `left` cells are the axis's."""

    def __init__(self, width: int, height: int, axis: Axis, first: int, last: int, ink: int, label_cells: int) -> None:
        """Draw the axes in `ink`: steps `first` to `last` from left to right. Labels of values have at least
        `label_cells` of room."""
        signs = glyphs()
        self.canvas = BrailleCanvas(width, height, braille=signs.braille)
        self.axis, self.first, self.last = axis, first, max(last, first + 1)
        self.rows = max(1, height - 1)
        self.left = min(width, max([label_cells, *map(len, axis.labels)]) + 1)
        self.columns = max(0, width - self.left)
        self.dots = max(2, self.columns * 2)
        self.steps = StepAxis(self.first, self.last, self.dots)
        for row in range(self.rows):
            self.canvas.write(self.left - 1, row, signs.axis, ink)
        for value, label in zip(axis.ticks, axis.labels, strict=True):
            row = axis.row(value, self.rows * 4) // 4
            self.canvas.write(0, row, label.rjust(self.left - 1) + signs.tick, ink)
        self._label_steps(ink)

    def dot_column(self, step: float) -> int:
        """The column of dots, counted on the canvas, in which `step` lies."""
        return self.left * 2 + self.steps.dot(step)

    def dot_row(self, value: float) -> int:
        """The row of dots of a value."""
        return self.axis.row(value, self.rows * 4)

    def _label_steps(self, ink: int) -> None:
        step = max(1, int(round_step(self.last - self.first, max(2, self.columns // 12))))
        begin = self.first // step * step
        marks = [at for at in range(begin, self.last + 1, step) if at > self.first and at <= self.last - step / 2]
        free = 0
        for at in [self.first, *marks, self.last]:
            text = f"{at:,}"
            column = self.dot_column(at) // 2
            start = max(self.left - 1, min(column - len(text) // 2, self.canvas.width - len(text)))
            if start >= free:
                self.canvas.write(start, self.rows, text, ink)
                free = start + len(text) + 1


def dot_rows(frame: Frame, extents: Sequence[Extent | None]) -> list[tuple[int, int] | None]:
    """The highest and the lowest row of dots that values reach, of each column of dots."""
    return [extent and (frame.dot_row(extent[1]), frame.dot_row(extent[0])) for extent in extents]


class Plot(Widget):
    """A chart that caches what it has drawn. Subclasses draw; `changed` says that there is something new."""

    ALLOW_SELECT = False
    INKS: ClassVar[tuple[str, ...]] = ()
    """Component classes, one an ink, from ink 1 on."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._drawn: list[Strip] = []
        self._drawn_size: Size | None = None
        """None: what is drawn no longer stands."""
        self._is_due = False
        """Whether it will be drawn anew."""
        self._seen: list[Strip | None] = []
        """What the terminal shows."""
        self._inks: list[Style] = []
        """Found anew once styles have changed."""
        self._title = self._subtitle = Content("")

    def show_border(self, *, title: Content | None = None, subtitle: Content | None = None) -> None:
        """Write on the border, where something else stands there: the whole chart goes to the terminal then."""
        if title is not None and title != self._title:
            self._title = self.border_title = title
        if subtitle is not None and subtitle != self._subtitle:
            self._subtitle = self.border_subtitle = subtitle

    def changed(self) -> None:
        """What is drawn no longer stands. It is drawn anew once all that belongs together is set."""
        self._drawn_size = None
        if not self._is_due and self.is_running:
            self._is_due = self.call_later(self._redraw)

    def _redraw(self) -> None:
        """Let the terminal have what has changed, and no more: over a slow line a whole chart takes long."""
        self._is_due, size = False, self.size
        if size.width and size.height and self._seen and len(self._seen) == size.height:
            self._draw_at(size)
            if changed := changed_strips(self._seen, self._drawn):
                self.refresh(*changed)
        else:
            self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn_size = None
        self._inks.clear()

    def draw(self, width: int, height: int) -> BrailleCanvas:
        """The whole picture. Both sizes are at least 1."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        size = self.size
        self._draw_at(size)
        strip = self._drawn[y] if y < len(self._drawn) else Strip.blank(size.width, self.rich_style)
        if y < len(self._seen):
            self._seen[y] = strip
        return strip

    def _draw_at(self, size: Size) -> None:
        if size == self._drawn_size:
            return
        self._drawn_size = size
        canvas = self.draw(size.width, size.height) if size.width and size.height else BrailleCanvas(0, 0)
        self._drawn = canvas.strips(self._ink_styles())
        if len(self._seen) != len(self._drawn):
            self._seen = [None] * len(self._drawn)

    def message(self, width: int, height: int, text: str, ink: int) -> BrailleCanvas:
        """A canvas with nothing but a short text in its middle, for a chart that has no values yet."""
        canvas = BrailleCanvas(width, height)
        text = text[:width]
        canvas.write((width - len(text)) // 2, height // 2, text, ink)
        return canvas

    def _ink_styles(self) -> list[Style]:
        if not self._inks:
            self._inks = [self.rich_style, *(self.get_component_rich_style(name) for name in self.INKS)]
        return self._inks
