"""PassageLog: passages below each other, drawn line by line; it follows the end until one scrolls up"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, NamedTuple

from textual.content import Content
from textual.events import Click
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style as VisualStyle
from textual.visual import Visual
from textual.widget import Widget

from cockpit.ui.widgets.passages import LEAD, Column, Line, Passage

STROKE = "▌"
KEPT_STRIPS = 400
"""Rows that are remembered as they were drawn."""


class Row(NamedTuple):
    """What stands in one row: of each column the line, or None below its last one."""

    columns: list[Column]
    lines: list[Line | None]

    @property
    def key(self) -> tuple[Any, ...]:
        """Rows with the same key look the same."""
        pairs = zip(self.columns, self.lines, strict=True)
        return tuple((column.x, column.width, column.edge, id(line)) for column, line in pairs)

    def text(self) -> Content:
        """With the strokes."""
        whole = Content("")
        for column, line in zip(self.columns, self.lines, strict=True):
            if missing := column.x - whole.cell_length:
                whole = whole.pad_right(missing)
            has_stroke = column.edge and line is not None
            lead = Content.assemble((STROKE, column.edge), " " * (LEAD - 1)) if has_stroke else Content(" " * LEAD)
            whole = whole + lead + (line.text if line is not None else Content(""))
        return whole

    def spans(self) -> list[tuple[int, int]]:
        """Where the texts of the columns lie, in characters of the whole row."""
        found, at = [], Content("")
        for column, line in zip(self.columns, self.lines, strict=True):
            at = at.pad_right(max(0, column.x - at.cell_length) + LEAD)
            begin = len(at.plain)
            at += line.text if line is not None else Content("")
            found.append((begin, len(at.plain)))
        return found


class PassageLog(ScrollView, can_focus=True):
    """`passages` may be changed; `redraw` shows them as they are."""

    DEFAULT_CSS = """
    PassageLog { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.passages: list[Passage] = []
        self._sections: list[list[Column]] = []
        self._tops: list[int] = []
        """The row in which each section begins, with the blank one above it."""
        self._rows = 0
        self._laid_out_at = -1
        self._follows = True
        self._strips: dict[tuple[Any, ...], tuple[Row, Strip]] = {}
        self._shown: list[Row | None] = []

    def redraw(self) -> None:
        """See that the terminal shows the present passages. The screen is not laid out anew for that, but where the
        scroll bar comes or goes."""
        if not self.is_attached:
            return
        self._lay_out()
        size = Size(self._laid_out_at, self._rows)
        if size != self.virtual_size:
            has_bar = self._rows > self.scrollable_content_region.height
            if has_bar != self.show_vertical_scrollbar:
                self.virtual_size = size
            else:
                self.set_reactive(Widget.virtual_size, size)
                if has_bar:
                    self.vertical_scrollbar.window_virtual_size = self._rows
        self._keep_place()
        shown = self._visible()
        if len(shown) != len(self._shown):
            self.refresh()
        else:
            pairs = enumerate(zip(self._shown, shown, strict=True))
            changed = [y for y, (old, new) in pairs if (old and old.key) != (new and new.key)]
            if changed:  # as one region: each takes as long as some rows
                self.refresh(Region(0, changed[0], self.size.width, changed[-1] + 1 - changed[0]))
        self._shown = shown

    def follow(self) -> None:
        """To the end, and with it from now on."""
        self._follows = True
        self._keep_place()

    def on_resize(self) -> None:
        """Wrap anew."""
        self.redraw()

    def watch_show_vertical_scrollbar(self) -> None:
        """There is another width now, and something to scroll."""
        self.call_after_refresh(self.redraw)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling up lets the end go; scrolling back to it follows it again."""
        super().watch_scroll_y(old_value, new_value)
        if round(new_value) != round(old_value):
            self._follows = new_value >= self.max_scroll_y - 0.5
            self._shown = []

    def notify_style_update(self) -> None:
        """Another theme has other colours."""
        super().notify_style_update()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        """One row, at the present place."""
        width = self.scrollable_content_region.width
        if width != self._laid_out_at:
            self._lay_out()
        at = self._top + y
        row = self._row(at)
        if row is None:
            return Strip.blank(width, self.rich_style)
        if self.text_selection is not None:
            return self._drawn(self._selected(at, row), width).apply_offsets(0, at)
        key = (*row.key, width)
        known = self._strips.get(key)
        if known is None:
            if len(self._strips) > KEPT_STRIPS:
                self._strips.clear()
            known = self._strips[key] = row, self._drawn(row.text(), width)
        return known[1].apply_offsets(0, at)

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw it."""
        self.refresh()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """What has been marked with the mouse: lines as they were before they were wrapped, one column after the
        other."""
        texts = []
        for top, section in zip(self._tops, self._sections, strict=True):
            for at, column in enumerate(section):
                text = ""
                for y in range(top + 1, top + 1 + len(column.lines)):
                    row = self._row(y)
                    span = row and self._span(selection, y, at, row)
                    if row is not None and span is not None and (line := row.lines[at]) is not None:
                        begin, end = span
                        text += line.text.plain[begin:end] + (line.joint if end == len(line.text.plain) else "")
                if text:
                    texts.append(text.removesuffix("\n"))
        return ("\n".join(texts), "\n") if texts else None

    def on_click(self, event: Click) -> None:
        """On the line above reasoning: fold it, or show it."""
        place = event.get_content_offset(self)
        row = self._row(self._top + place.y) if place is not None else None
        if place is None or row is None:
            return
        for column, line in zip(row.columns, row.lines, strict=True):
            if line is not None and line.folds and column.x <= place.x < column.x + column.width:
                event.stop()
                self.fold_clicked(column.of)
                self.redraw()

    def fold_clicked(self, passage: Passage) -> None:
        """The line above this one's reasoning was clicked."""

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        self._laid_out_at = width
        self._sections = [section for passage in self.passages for section in passage.sections(width)]
        self._tops, self._rows = [], 0
        for section in self._sections:
            self._tops.append(self._rows)
            self._rows += 1 + max(len(column.lines) for column in section)

    def _keep_place(self) -> None:
        is_led = self._follows and not self.is_vertical_scrollbar_grabbed
        if is_led or self.scroll_y > self.max_scroll_y:
            self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True)

    def _row(self, y: int) -> Row | None:
        """None for blank ones."""
        at = bisect_right(self._tops, y) - 1
        if at < 0 or y >= self._rows or y == self._tops[at]:
            return None
        section, within = self._sections[at], y - self._tops[at] - 1
        return Row(section, [column.lines[within] if within < len(column.lines) else None for column in section])

    def _visible(self) -> list[Row | None]:
        return [self._row(y) for y in range(self._top, self._top + self.scrollable_content_region.height)]

    @property
    def _top(self) -> int:
        """The row at the upper edge; negative where there are fewer rows than room: they stand at the lower edge."""
        return self.scroll_offset.y + min(0, self._rows - self.scrollable_content_region.height)

    def _drawn(self, text: Content, width: int) -> Strip:
        (strip,) = Visual.to_strips(self, text, width, 1, self.visual_style, apply_selection=False, pad=True)
        return strip

    def _selected(self, y: int, row: Row) -> Content:
        selection, text = self.text_selection, row.text()
        assert selection is not None
        style = VisualStyle.from_styles(self.screen.get_component_styles("screen--selection"))
        for at, (offset, _) in enumerate(row.spans()):
            span = self._span(selection, y, at, row)
            if span is not None and span[1] > span[0]:
                text = text.stylize(style, offset + span[0], offset + span[1])
        return text

    def _span(self, selection: Selection, y: int, at: int, row: Row) -> tuple[int, int] | None:
        """What is selected of the line in this column, in its characters; None: nothing."""
        span, line = selection.get_span(y), row.lines[at]
        column = self._column_of(selection)
        if span is None or line is None or (column is not None and column != at):
            return None
        begin, length = row.spans()[at][0], len(line.text.plain)
        first, last = span[0] - begin, length if span[1] < 0 else span[1] - begin
        first, last = min(max(0, first), length), min(max(0, last), length)
        return (first, last) if last > first or (span[1] < 0 and not length) else None

    def _column_of(self, selection: Selection) -> int | None:
        """The column in which a selection stays: where two passages stand side by side, that in which it began."""
        start, end = selection
        if start is None or end is None:
            return None
        at = bisect_right(self._tops, start.y) - 1
        row = self._row(start.y)
        if row is None or at != bisect_right(self._tops, end.y) - 1:
            return None
        return max(0, sum(begin - LEAD <= start.x for begin, _ in row.spans()) - 1)
