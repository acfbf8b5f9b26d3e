"""A list of one-line rows with a mark at the highlighted one, so that it is found without colour too."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.segment import Segment
from textual import events
from textual.content import Content
from textual.strip import Strip
from textual.widgets import OptionList
from textual.widgets.option_list import Option

MARK = "▸"


class MarkedList(OptionList):
    """Rows are drawn by `row_content`, again for each width. Subclasses say what a row is."""

    DEFAULT_CSS = """
    MarkedList {
        height: 1fr;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        background: transparent;
        padding: 0;
        border: none;
        &:focus { border: none; background-tint: transparent; }
        & > .option-list--option { padding: 0; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    """

    EMPTY = ""
    """What stands in a list without rows."""
    NAME = ""
    """What the frame calls the list."""
    name_shown = ""
    """What it calls it now, where that is more than its name."""

    def row_ids(self) -> Sequence[str]:
        """The rows' ids, in order."""
        raise NotImplementedError

    def row_content(self, index: int, width: int) -> Content:
        """Row `index`, at most `width` cells, its first cell left free for the mark."""
        raise NotImplementedError

    def heads(self, width: int) -> Sequence[Content]:
        """What stands over the right columns, each as wide as its column; the frame's upper edge shows them."""
        return ()

    def draw_rows(self) -> None:
        """Take the rows as they are now; the highlight stays on the row with the same id."""
        ids = list(self.row_ids())
        width = self.scrollable_content_region.width or self.size.width or 40
        self._draw_heads(width)
        rows = [self.row_content(index, width) for index in range(len(ids))]
        if not ids:
            self.set_options([Option(Content.styled(f"  {self.EMPTY}", "$foreground-muted"), disabled=True)])
            self.highlighted = None
            return
        if ids == [option.id for option in self.options]:
            for index, row in enumerate(rows):
                if row != self.options[index].prompt:
                    self.replace_option_prompt_at_index(index, row)
            return
        chosen = self.highlighted_option.id if self.highlighted_option else None
        with self.prevent(OptionList.OptionHighlighted):
            self.set_options(Option(row, id=id) for id, row in zip(ids, rows, strict=True))
            self.highlighted = ids.index(chosen) if chosen in ids else 0

    def _draw_heads(self, width: int) -> None:
        """Name and heads, on the frame: its text begins one cell after the rows, and ends where they end."""
        name = f"{self.name_shown or self.NAME} "
        heads = self.heads(width)
        tail = Content("  ").join(heads).plain if heads else ""
        if not tail or len(name) + len(tail) > width - 2:
            self.border_title = Content(name.rstrip())
            return
        line = re.sub(r" {3,}", lambda gap: f" {'─' * (len(gap[0]) - 2)} ", name + tail.rjust(width - 1 - len(name)))
        edge = "$border" if self.has_focus else "$border-blurred"
        parts = [
            Content.styled(part, f"not bold {edge}") if part.startswith("─") else Content.styled(part, "not bold")
            for part in re.split(r"(─+)", line[len(name) :])
        ]
        self.border_title = Content(name).append(Content("").join(parts))

    def watch_has_focus(self, has_focus: bool) -> None:
        """The frame has another colour."""
        super().watch_has_focus(has_focus)
        self._draw_heads(self.scrollable_content_region.width)

    def on_resize(self, _event: events.Resize) -> None:
        """Rows are as wide as the list, and the marked one stays in sight."""
        self.draw_rows()
        self.scroll_to_highlight()

    def action_select(self) -> None:
        """Take the marked row; where the wheel has scrolled it out of sight, only bring it back."""
        if self.shows_mark():
            super().action_select()
        else:
            self.scroll_to_highlight()

    def shows_mark(self) -> bool:
        """Whether the marked row is in sight."""
        at, top = self.highlighted, round(self.scroll_target_y)
        return at is not None and top <= at < top + self.scrollable_content_region.height

    def on_click(self, event: events.Click) -> None:
        """A click marks a row, a second one at once takes it: a run is not started by a stray click."""
        event.prevent_default()
        index = event.style.meta.get("option")
        if index is None or self.options[index].disabled:
            return
        self.highlighted = index
        if event.chain > 1:
            self.action_select()

    def render_line(self, y: int) -> Strip:
        """As OptionList does, with the mark."""
        strip = super().render_line(y)
        if self.highlighted is None or self.scroll_offset.y + y != self.highlighted or strip.cell_length == 0:
            return strip
        style = next(iter(strip)).style
        return Strip.join([Strip([Segment(MARK, style)], 1), strip.crop(1)])


def room_beside(width: int, right: Sequence[Content], gap: str = "  ") -> int:
    """Cells that `columns` leaves to its `left`."""
    taken = sum(column.cell_length for column in right) + len(gap) * max(0, len(right) - 1)
    return max(4, width - taken - 3)


def columns(width: int, left: Content, right: Sequence[Content], gap: str = "  ") -> Content:
    """`left` shortened to what room the right-aligned `right` columns leave, after the free cells for the mark."""
    tail = Content(gap).join(right) if right else Content("")
    room = room_beside(width, right, gap)
    return Content.assemble(
        "  ", left.truncate(room, ellipsis=True).pad_right(max(0, room - left.cell_length)), " ", tail
    )
