"""GrowingText: a text of any length that grows below what its view holds already, as it stands or drawn as Markdown"""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import Static

from cockpit.text.plain_text import PlainTextStream
from cockpit.ui.widgets.markdown_text import markdown_text, open_fence

SETTLED_AFTER = 2000
"""Characters after which a block of a text is closed: only the block at the end is laid out anew as it grows."""
LONGEST_BLOCK = 8000
"""Characters of a block that is closed."""


class Block(Static):
    """Text that knows how high it is at each of the widths that it is asked for in turn, as where two stand side by
    side: Textual remembers the last one, and lays a long text out each time for nothing else."""

    def __init__(self, classes: str | None = None) -> None:
        super().__init__("", markup=False, classes=classes)
        self._heights: dict[int, int] = {}

    def redraw(self, content: Content) -> None:
        """Show it. The screen is laid out anew only where the height changes: that takes much longer than to draw."""
        self._heights.clear()
        self.clear_cached_dimensions()
        self.update(content, layout=False)
        width, height = self.content_size
        if not width or self.get_content_height(Size(), Size(), width) != height:
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Lines at this width."""
        if width not in self._heights:
            self._heights[width] = super().get_content_height(container, viewport, width)
        return self._heights[width]


class GrowingText:
    """Blocks of text in a view. What was shown stays as it is, but for the block at the end."""

    def __init__(self, view: Widget, kind: str, *, markdown: bool = False) -> None:
        """`kind` is the class of its blocks."""
        self._view, self._kind, self._markdown = view, kind, markdown
        self._blocks: list[Block] = []
        self._begins: list[int] = []
        self._fences: list[str] = []
        """Of each block, the line that has opened the code block in which it begins."""
        self._stream = PlainTextStream()
        self._taken = 0
        self.text = ""
        """What is shown, as it was written."""

    def show(self, text: str, *, is_whole: bool) -> None:
        """The text as it stands, which begins with what it was; `is_whole`: it grows no more."""
        added = self._stream.feed(text[self._taken :])
        self._taken = len(text)
        if is_whole:
            added += self._stream.end()
        if not added:
            return
        self.text += added
        if not self._blocks:
            self._add_block(0, "")
        while True:
            begin, fence = self._begins[-1], self._fences[-1]
            tail = self.text[begin:]
            cut = _cut(tail, fence) if self._markdown else _cut_of_plain(tail)
            if cut is None:
                self._blocks[-1].redraw(self._drawn(tail, fence))
                return
            self._close(begin + cut)

    def _close(self, end: int) -> None:
        """The text up to `end` is as it stays: it goes into the block before the last one while there is room there,
        since each block more is one more to lay out, and else the last one keeps it."""
        after = open_fence(f"{self._fences[-1]}\n{self.text[self._begins[-1] : end]}") if self._markdown else ""
        joins = len(self._blocks) > 1 and end - self._begins[-2] <= LONGEST_BLOCK
        at = -2 if joins else -1
        closed = self.text[self._begins[at] : end]
        closed = closed.rstrip("\n") if self._markdown else closed.removesuffix("\n")
        self._blocks[at].redraw(self._drawn(closed, self._fences[at]))
        if joins:
            self._begins[-1], self._fences[-1] = end, after
            self._blocks[-1].set_class(self._begins_paragraph(end, after), "-paragraph")
        else:
            self._add_block(end, after)

    def mark(self, spans: Sequence[tuple[int, int]], style: str) -> None:
        """Draw these places of the text, which is no Markdown, in a style of their own."""
        ends = [*self._begins[1:], len(self.text)]
        for block, begin, end in zip(self._blocks, self._begins, ends, strict=True):
            content = Content(self.text[begin:end].removesuffix("\n") if end < len(self.text) else self.text[begin:end])
            for first, last in spans:
                if first < end and last > begin:
                    content = content.stylize(style, max(first, begin) - begin, min(last, end) - begin)
            block.redraw(content)

    def _drawn(self, text: str, fence: str) -> Content:
        if not self._markdown:
            return Content(text)
        return markdown_text(f"{fence}\n{text}" if fence else text)

    def _begins_paragraph(self, begin: int, fence: str) -> bool:
        return self._markdown and self.text.endswith("\n\n", 0, begin) and not fence

    def _add_block(self, begin: int, fence: str) -> None:
        block = Block(self._kind)
        block.set_class(self._begins_paragraph(begin, fence), "-paragraph")
        self._blocks.append(block)
        self._begins.append(begin)
        self._fences.append(fence)
        self._view.mount(block)


def _cut(tail: str, fence: str) -> int | None:
    """Where a long text is cut into blocks of Markdown: before a paragraph, else where plain text is cut; None while it
    is short. Within a code block lines are cut, which the next block goes on with."""
    if len(tail) <= SETTLED_AFTER:
        return None
    at = tail.rfind("\n\n", SETTLED_AFTER // 3, SETTLED_AFTER)
    if at >= 0 and not open_fence(f"{fence}\n{tail[:at]}") and not tail[at + 2 : at + 3].isspace():
        return at + 2
    return _cut_of_plain(tail)


def _cut_of_plain(tail: str) -> int | None:
    """Where a long text is cut into blocks: after a line, else after a word, else anywhere; None while it is short."""
    if len(tail) <= SETTLED_AFTER:
        return None
    line = tail.rfind("\n", SETTLED_AFTER // 2, SETTLED_AFTER)
    word = tail.rfind(" ", SETTLED_AFTER // 2, SETTLED_AFTER)
    return (line if line >= 0 else word if word >= 0 else SETTLED_AFTER - 1) + 1
