"""LogPane: the run's log, wrapped, following its end until one scrolls up."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from cockpit.runs.sentences import LOG_LINES, LogLine
from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.widgets.glyphs import glyphs

_STYLES = {"info": "log-pane--info", "warning": "log-pane--warning", "error": "log-pane--error"}
LEVELS = ("info", "warning", "error")
FOLLOWS_AGAIN = "scrolled up; end follows again"


class Row(NamedTuple):
    """A line or a part of one, as it is drawn; `whole` is all of the line, at its first row."""

    head: str
    level: str
    text: str
    whole: str = ""


class LogPane(ScrollView, can_focus=True):
    """`add` takes new lines; what others wrote is shown literally."""

    HELP = "The run's log. Scroll up to read: it waits; End follows it again."
    INDENT = 11
    """Cells of the time and of the sign for the level."""
    MOST = LOG_LINES
    COMPONENT_CLASSES = {"log-pane--time", "log-pane--info", "log-pane--warning", "log-pane--error", "log-pane--found"}
    DEFAULT_CSS = """
    LogPane { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    LogPane > .log-pane--time { color: $text-muted; }
    LogPane > .log-pane--info { color: $foreground; }
    LogPane > .log-pane--warning { color: $warning; }
    LogPane > .log-pane--error { color: $error; text-style: bold; }
    LogPane > .log-pane--found { color: $background; background: $warning; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[LogLine] = []
        self._rows: list[Row] = []
        self._least = LEVELS[0]
        self._sought = ""
        self._found: list[int] = []
        """Rows at which a line with what is sought begins."""
        self._found_at = -1
        self._wrapped_at = 0
        self._follows = True
        self._told = ""
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
        if len(self._lines) > self.MOST + self.MOST // 4:
            del self._lines[: -self.MOST]
            self._wrap_all()
        self._look()
        self._grow()

    # What is looked for

    def show_from(self, level: str) -> None:
        """Only lines of this level and worse."""
        self._least = level
        self._wrap_all()
        self._look()
        self._grow()

    def seek(self, sought: str) -> None:
        """Mark lines that hold this, in whichever case, and go to the last of them; nothing takes the marks away."""
        self._sought, self._found_at = sought.lower(), -1
        self._look()
        if self._found:
            self.step(-1)
        self.refresh()

    def step(self, by: int) -> None:
        """Go to the next line that was found, or to the one before; round at the ends."""
        if self._found:
            self._found_at = (max(self._found_at, 0 if by < 0 else -1) + by) % len(self._found)
            row, self._follows = self._found[self._found_at], False
            self.scroll_to(y=max(0, row - self.scrollable_content_region.height // 2), animate=False, immediate=True)
        self._say_whether_it_follows()

    @property
    def shown_lines(self) -> list[str]:
        """All lines that are not filtered out, as plain text."""
        return [plain_text(line.text).rstrip() for line in self._kept(self._lines)]

    def _look(self) -> None:
        sought = self._sought
        self._found = [at for at, row in enumerate(self._rows) if sought in row.whole.lower()] if sought else []
        self._say_whether_it_follows()

    def _kept(self, lines: Iterable[LogLine]) -> Iterable[LogLine]:
        least = LEVELS.index(self._least)
        return (line for line in lines if least == 0 or LEVELS.index(_level(line)) >= least)

    def on_resize(self) -> None:
        """Wrap anew where the width has changed; what was found is on other rows then, and stays in sight."""
        if self.scrollable_content_region.width != self._wrapped_at:
            self._wrap_all()
            self._look()
            self._grow()
            if self._found and (self._found_at < 0 or not self._follows):
                self.step(0 if self._found_at >= 0 else -1)
        if self._follows:
            self.call_after_refresh(self._to_its_end)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling up lets the end go; scrolling back to it follows it again."""
        super().watch_scroll_y(old_value, new_value)
        if round(new_value) != round(old_value):
            self._follows = new_value >= self.max_scroll_y - 0.5
            self._say_whether_it_follows()

    def watch_show_vertical_scrollbar(self) -> None:
        """Nothing scrolls before the bar is there, which may be long after the lines came: beneath another screen."""
        if self._follows:
            self.call_after_refresh(self._to_its_end)

    def render_line(self, y: int) -> Strip:
        """One row, at the present scroll position."""
        at = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        plain = self.rich_style
        if at >= len(self._rows):
            return Strip.blank(width, plain)
        row = self._rows[at]
        style = self.get_component_rich_style(_STYLES[row.level])
        head = Segment(row.head, self.get_component_rich_style("log-pane--time"))
        segments = [head, *self._selected(at, row.text, style)]
        return Strip(segments).extend_cell_length(width, plain).apply_offsets(0, at)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """What has been marked with the mouse, as it is shown."""
        return selection.extract("\n".join(row.head + row.text for row in self._rows)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        self.refresh()

    def _selected(self, at: int, text: str, style: Style) -> list[Segment]:
        selection = self.text_selection
        span = selection.get_span(at) if selection is not None else None
        if span is None:
            return self._marked(text, style)
        start, end = (max(0, mark - self.INDENT) if mark >= 0 else len(text) for mark in span)
        marked = self.screen.get_component_rich_style("screen--selection")
        parts = ((text[:start], style), (text[start:end], style + marked), (text[end:], style))
        return [Segment(part, how) for part, how in parts if part]

    def _marked(self, text: str, style: Style) -> list[Segment]:
        if not self._sought or (at := text.lower().find(self._sought)) < 0:
            return [Segment(text, style)]
        end = at + len(self._sought)
        found = Segment(text[at:end], style + self.get_component_rich_style("log-pane--found"))
        return [Segment(text[:at], style), found, *self._marked(text[end:], style)]

    def _grow(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._rows))
        self._follow()
        self.refresh()

    def _follow(self) -> None:
        """To the end; once more after the next frame where the scroll bar is only about to appear."""
        if self._follows:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
            if self.scroll_y < self.max_scroll_y:
                self.call_after_refresh(self._to_its_end)

    def _to_its_end(self) -> None:
        if self._follows:
            self.scroll_end(animate=False, immediate=True, x_axis=False)

    def _say_whether_it_follows(self) -> None:
        if self._sought:
            which = f"{self._found_at + 1} of " if self._found and self._found_at >= 0 else ""
            told = f"{which}{len(self._found)} lines with {plain_line(self._sought)!r}"
        else:
            told = "" if self._follows else FOLLOWS_AGAIN
        if told != self._told:
            self._told = told
            self.border_subtitle = Content(told)

    def _wrap_all(self) -> None:
        self._wrapped_at = self.scrollable_content_region.width
        self._rows = self._wrap(self._lines) if self._wrapped_at else []

    def _wrap(self, lines: Iterable[LogLine]) -> list[Row]:
        width = max(8, self._wrapped_at - self.INDENT)
        rows = []
        for line in self._kept(lines):
            text = plain_text(line.text).rstrip()
            head, level, whole = self._head(line), _level(line), text
            lead = text[: min(len(text) - len(text.lstrip(" ")), width // 2)]
            for part in wrap_cells(text[len(lead) :], width - len(lead)):
                rows.append(Row(head, level, lead + part, whole))
                head, whole = " " * self.INDENT, ""
        return rows

    def _head(self, line: LogLine) -> str:
        """What stands before the line, INDENT cells wide."""
        return time.strftime("%H:%M:%S ", time.localtime(line.at)) + sign_of(line)


def sign_of(line: LogLine) -> str:
    """Of its level, two cells wide."""
    return {"warning": "! ", "error": f"{glyphs().failed} "}.get(line.level, "  ")


def _level(line: LogLine) -> str:
    return line.level if line.level in LEVELS else LEVELS[0]


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
