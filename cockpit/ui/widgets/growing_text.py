"""GrowingText: a text of any length that grows below what its view holds already, as it stands or drawn as Markdown"""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from cockpit.text.plain_text import PlainTextStream
from cockpit.ui.widgets.markdown_text import markdown_text, open_fence

SETTLED_AFTER = 2000
"""Characters after which a block of a text is closed: only the block at the end is laid out anew as it grows."""


class GrowingText:
    """Blocks of text in a view. What was shown stays as it is, but for the block at the end."""

    def __init__(self, view: Widget, kind: str, *, markdown: bool = False) -> None:
        """`kind` is the class of its blocks."""
        self._view, self._kind, self._markdown = view, kind, markdown
        self._blocks: list[Static] = []
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
                self._blocks[-1].update(self._drawn(tail, fence))
                return
            closed = tail[:cut].rstrip("\n") if self._markdown else tail[:cut].removesuffix("\n")
            self._blocks[-1].update(self._drawn(closed, fence))
            self._add_block(begin + cut, open_fence(f"{fence}\n{tail[:cut]}") if self._markdown else "")

    def mark(self, spans: Sequence[tuple[int, int]], style: str) -> None:
        """Draw these places of the text, which is no Markdown, in a style of their own."""
        ends = [*self._begins[1:], len(self.text)]
        for block, begin, end in zip(self._blocks, self._begins, ends, strict=True):
            content = Content(self.text[begin:end].removesuffix("\n") if end < len(self.text) else self.text[begin:end])
            for first, last in spans:
                if first < end and last > begin:
                    content = content.stylize(style, max(first, begin) - begin, min(last, end) - begin)
            block.update(content)

    def _drawn(self, text: str, fence: str) -> Content:
        if not self._markdown:
            return Content(text)
        return markdown_text(f"{fence}\n{text}" if fence else text)

    def _add_block(self, begin: int, fence: str) -> None:
        block = Static("", markup=False, classes=self._kind)
        if self._markdown and self.text[:begin].endswith("\n\n") and not fence:
            block.add_class("-paragraph")
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
