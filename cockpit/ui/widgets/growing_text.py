"""Texts of any length that grow: of what was drawn and wrapped only the end is done anew"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from textual.content import Content

from cockpit.text.plain_text import PlainTextStream
from cockpit.ui.widgets.markdown_text import markdown_text, open_fence
from cockpit.ui.widgets.passages import BLANK, KEPT_WIDTHS, Block, Line, wrapped

SETTLED_AFTER = 2000
"""Characters after which a block of Markdown is closed where a paragraph or a plain line begins, or within code."""
LONGEST_BLOCK = 8000
"""Characters after which it is closed where a line or a word ends."""
AT_ONCE = 2000
"""Characters of plain text that are wrapped at a time."""


class GrowingText:
    """`show` takes the text as it stands; escape sequences and the like are taken out of it."""

    def __init__(self) -> None:
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
        if added:
            self.text += added
            self.grown()

    def grown(self) -> None:
        """There is more text than before."""

    def lines(self, width: int) -> list[Line]:
        """All lines in so many cells."""
        raise NotImplementedError


@dataclass
class _Wrapped:
    """Lines at one width, and where in the text the last of them begins: it may change as the text grows."""

    lines: list[Line] = field(default_factory=list)
    last: int = 0
    upto: int = 0
    """The characters that are wrapped."""


class PlainText(GrowingText):
    """As it was written, in one style; places of it may be marked."""

    def __init__(self, style: str = "") -> None:
        super().__init__()
        self._style = style
        self._wrapped: dict[int, _Wrapped] = {}
        self._marks: list[tuple[int, int]] = []
        self._marked_as = ""

    def mark(self, spans: Sequence[tuple[int, int]], style: str) -> None:
        """Draw these places, which ascend, in a style of their own."""
        self._marks, self._marked_as = list(spans), style
        self._wrapped.clear()

    @property
    def marked(self) -> list[str]:
        """What is marked."""
        return [self.text[begin:end] for begin, end in self._marks]

    def lines(self, width: int) -> list[Line]:
        """All lines in so many cells."""
        known = self._wrapped.get(width)
        if known is None:
            while len(self._wrapped) >= KEPT_WIDTHS:
                del self._wrapped[next(iter(self._wrapped))]
            known = self._wrapped[width] = _Wrapped()
        while known.upto < len(self.text):
            known.upto = min(len(self.text), known.upto + AT_ONCE)
            new = wrapped(self._content(known.last, known.upto), width)
            known.lines[-1:] = new
            known.last += sum(len(line.text.plain) + len(line.joint) for line in new[:-1])
        return known.lines

    def _content(self, begin: int, end: int) -> Content:
        content = Content(self.text[begin:end])
        if self._style:
            content = content.stylize(self._style)
        for first, last in self._marks[max(0, bisect_right(self._marks, (begin, begin)) - 1) :]:
            if first >= end:
                break
            if last > begin:
                content = content.stylize(self._marked_as, max(first, begin) - begin, min(last, end) - begin)
        return content


class MarkdownText(GrowingText):
    """Drawn as Markdown, in blocks that stay as they are, but for the one at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[Block] = []
        self._begins: list[int] = []
        self._fences: list[str] = []
        """Of each block, the line that has opened the code block in which it begins."""

    def grown(self) -> None:
        """Draw the end anew, and close what is long enough."""
        if not self.blocks:
            self._add_block(0, "")
        while True:
            begin, fence = self._begins[-1], self._fences[-1]
            tail = self.text[begin:]
            cut = _cut(tail, fence)
            self.blocks[-1].text = _drawn(tail if cut is None else tail[:cut].rstrip("\n"), fence)
            if cut is None:
                return
            self._add_block(begin + cut, open_fence(f"{fence}\n{tail[:cut]}"))

    def lines(self, width: int) -> list[Line]:
        """All lines in so many cells."""
        found: list[Line] = []
        for block, begin, fence in zip(self.blocks, self._begins, self._fences, strict=True):
            if not fence and self.text.endswith("\n\n", 0, begin):
                found.append(BLANK)
            found += block.lines(width)
        return found

    def _add_block(self, begin: int, fence: str) -> None:
        self.blocks.append(Block())
        self._begins.append(begin)
        self._fences.append(fence)


def _drawn(text: str, fence: str) -> Content:
    """Where it begins within a code block, without the language's name: that stands above its first part."""
    if not fence:
        return markdown_text(text)
    drawn = markdown_text(f"{fence}\n{text}")
    return Content("\n").join(drawn.split("\n", allow_blank=True)[1:]) if fence.strip().strip("`~").strip() else drawn


def _cut(tail: str, fence: str) -> int | None:
    """Where a long text is cut into blocks: before a paragraph, within a code block or between plain lines, and else
    only where it is very long; None: not yet."""
    if len(tail) <= SETTLED_AFTER:
        return None
    at = tail.rfind("\n\n", SETTLED_AFTER // 3, SETTLED_AFTER)
    if at >= 0 and not open_fence(f"{fence}\n{tail[:at]}") and not tail[at + 2 : at + 3].isspace():
        return at + 2
    end = tail.rfind("\n", SETTLED_AFTER // 2, SETTLED_AFTER)
    if end >= 0 and (open_fence(f"{fence}\n{tail[: end + 1]}") or _is_between_plain_lines(tail, end)):
        return end + 1
    if len(tail) <= LONGEST_BLOCK:
        return None
    line, word = (tail.rfind(sign, LONGEST_BLOCK // 2, LONGEST_BLOCK) for sign in "\n ")
    return (line if line >= 0 else word if word >= 0 else LONGEST_BLOCK - 1) + 1


def _is_between_plain_lines(text: str, end: int) -> bool:
    """Whether neither the line that ends here nor the next one is a row of a table, nor the next one indented."""
    before, after = text[text.rfind("\n", 0, end) + 1 : end], text[end + 1 : text.find("\n", end + 1)]
    return bool(after) and not after[0].isspace() and "|" not in before + after
