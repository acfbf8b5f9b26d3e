"""LogPane: the run's log, wrapped, following its end until one scrolls up."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from cockpit.runs.sentences import LOG_LINES, LogLine
from cockpit.text.plain_text import plain_text
from cockpit.ui.widgets.glyphs import glyphs

_STYLES = {"info": "log-pane--info", "warning": "log-pane--warning", "error": "log-pane--error"}
INDENT = 11
"""Cells of the time and of the sign for the level."""


class LogPane(ScrollView, can_focus=True):
    """`add` takes new lines; what others wrote is shown literally."""

    HELP = "The run's log. Scroll up to read: it waits; End follows it again."
    COMPONENT_CLASSES = {"log-pane--time", "log-pane--info", "log-pane--warning", "log-pane--error"}
    DEFAULT_CSS = """
    LogPane { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    LogPane > .log-pane--time { color: $text-muted; }
    LogPane > .log-pane--info { color: $foreground; }
    LogPane > .log-pane--warning { color: $warning; }
    LogPane > .log-pane--error { color: $error; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[LogLine] = []
        self._rows: list[tuple[str, str, str]] = []
        self._wrapped_at = 0
        self._follows = True
        self.border_title = Content("log")

    @property
    def allow_select(self) -> bool:
        return True

    @property
    def follows(self) -> bool:
        """Whether it shows the newest line, and will go on doing so."""
        return self._follows

    def add(self, lines: Sequence[LogLine]) -> None:
        """Append lines; the oldest are dropped beyond LOG_LINES."""
        if not lines:
            return
        self._lines += lines
        if self._wrapped_at:
            self._rows += self._wrap(lines)
        if len(self._lines) > LOG_LINES + LOG_LINES // 4:
            del self._lines[:-LOG_LINES]
            self._wrap_all()
        self._grow()

    def on_resize(self) -> None:
        """Wrap anew where the width has changed."""
        if self.scrollable_content_region.width != self._wrapped_at:
            self._wrap_all()
            self._grow()
        if self._follows:
            self.call_after_refresh(self.scroll_end, animate=False, immediate=True, x_axis=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling up lets the end go; scrolling back to it follows it again."""
        super().watch_scroll_y(old_value, new_value)
        if round(new_value) != round(old_value):
            self._follows = new_value >= self.max_scroll_y - 0.5
            self._say_whether_it_follows()

    def watch_show_vertical_scrollbar(self) -> None:
        """Nothing scrolls before the bar is there, which may be long after the lines came: beneath another screen."""
        if self._follows:
            self.call_after_refresh(self.scroll_end, animate=False, immediate=True, x_axis=False)

    def render_line(self, y: int) -> Strip:
        """One row, at the present scroll position."""
        at = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        plain = self.rich_style
        if at >= len(self._rows):
            return Strip.blank(width, plain)
        head, level, text = self._rows[at]
        style = self.get_component_rich_style(_STYLES[level])
        segments = [Segment(head, self.get_component_rich_style("log-pane--time")), *self._selected(at, text, style)]
        return Strip(segments).extend_cell_length(width, plain).apply_offsets(0, at)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """What has been marked with the mouse, as it is shown."""
        return selection.extract("\n".join(head + text for head, _, text in self._rows)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        self.refresh()

    def _selected(self, at: int, text: str, style: Style) -> list[Segment]:
        selection = self.text_selection
        span = selection.get_span(at) if selection is not None else None
        if span is None:
            return [Segment(text, style)]
        start, end = (max(0, mark - INDENT) if mark >= 0 else len(text) for mark in span)
        marked = self.screen.get_component_rich_style("screen--selection")
        parts = ((text[:start], style), (text[start:end], style + marked), (text[end:], style))
        return [Segment(part, how) for part, how in parts if part]

    def _grow(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._rows))
        self._follow()
        self.refresh()

    def _follow(self) -> None:
        """To the end; once more after the next frame where the scroll bar is only about to appear."""
        if self._follows:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
            if self.scroll_y < self.max_scroll_y:
                self.call_after_refresh(self.scroll_end, animate=False, immediate=True, x_axis=False)

    def _say_whether_it_follows(self) -> None:
        self.border_subtitle = Content("" if self._follows else "scrolled up; end follows again")

    def _wrap_all(self) -> None:
        self._wrapped_at = self.scrollable_content_region.width
        self._rows = self._wrap(self._lines) if self._wrapped_at else []

    def _wrap(self, lines: Iterable[LogLine]) -> list[tuple[str, str, str]]:
        signs = glyphs()
        marks = {"warning": "! ", "error": f"{signs.failed} "}
        width = max(8, self._wrapped_at - INDENT)
        rows = []
        for line in lines:
            head = time.strftime("%H:%M:%S ", time.localtime(line.at)) + marks.get(line.level, "  ")
            for text in wrap_cells(plain_text(line.text).rstrip(), width):
                rows.append((head, line.level if line.level in _STYLES else "info", text))
                head = " " * INDENT
        return rows


def wrap_cells(text: str, width: int) -> list[str]:
    """`text` in rows of at most `width` cells, broken at blanks where there are any, else where it must be."""
    rows = []
    for paragraph in text.split("\n"):
        row = ""
        for word in paragraph.split(" "):
            longer = f"{row} {word}" if row else word
            if cell_len(longer) <= width:
                row = longer
                continue
            if row:
                rows.append(row)
            *full, row = _chop(word, width)
            rows += full
        rows.append(row)
    return rows


def _chop(word: str, width: int) -> list[str]:
    if cell_len(word) <= width:
        return [word]
    pieces, piece, used = [], "", 0
    for char in word:
        cells = cell_len(char)
        if used + cells > width and piece:
            pieces.append(piece)
            piece, used = "", 0
        piece += char
        used += cells
    return [*pieces, piece]
