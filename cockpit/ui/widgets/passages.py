"""Passages: what a log of lines is made of. Each gives its lines at a width, in a column or in two"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, chop_cells
from textual.content import Content

from cockpit.text.plain_text import plain_text

_run = re.compile(r"\s+|\S+")
LEAD = 2
"""Cells to the left of a passage's text: its edge, and a blank."""
KEPT_WIDTHS = 2
"""Widths for which lines are remembered: where two stand side by side they may be asked for in turn."""


class Line(NamedTuple):
    """One line as it is drawn. `joint` is what stood between it and the next one: an end of line, or the blanks at
    which it was wrapped. `folds`: a click on it folds reasoning, or shows it."""

    text: Content
    joint: str = "\n"
    folds: bool = False


BLANK = Line(Content(""))


def wrapped(text: Content, width: int) -> list[Line]:
    """`text` in lines of at most so many cells, broken between words where that is possible. A line that ends for want
    of room has its blanks in `joint`, so that texts and joints are the whole."""
    lines: list[Line] = []
    for whole in text.expand_tabs().split("\n", allow_blank=True):
        if whole.cell_length <= width:
            lines.append(Line(whole))
            continue
        rows = _rows(whole.plain, max(1, width))
        texts = whole.divide([at for row in rows for at in row])[1::2]
        ends = [*(begin for begin, _ in rows[1:]), None]
        lines += [
            Line(part, whole.plain[row[1] : end] + ("\n" if end is None else ""))
            for part, row, end in zip(texts, rows, ends, strict=True)
        ]
    return lines


def _rows(text: str, width: int) -> list[tuple[int, int]]:
    """Where the rows of one line begin and end. Each begins with a word, but for blanks at the beginning of all; a word
    that fits in no row has rows of its own."""
    rows, begin, end, used = [], 0, 0, 0
    for found in _run.finditer(text):
        run = found[0]
        cells = len(run) if run.isascii() else cell_len(run)
        if run.isspace():
            used += cells
            continue
        if used + cells > width:
            if found.start() > begin:
                rows.append((begin, end))
            begin, used = found.start(), 0
            if cells > width:
                *full, run = chop_cells(run, width)
                for piece in full:
                    rows.append((begin, begin + len(piece)))
                    begin += len(piece)
                cells = cell_len(run)
        used, end = used + cells, found.end()
    last = end if used > width else len(text)
    return [*rows, (begin, last)]


class Block:
    """Some text, and its lines at the widths that it was last asked for."""

    def __init__(self, text: Content | str = "", *, folds: bool = False) -> None:
        self._text = Content(text) if isinstance(text, str) else text
        self._folds = folds
        self._lines: dict[int, list[Line]] = {}

    @property
    def text(self) -> Content:
        """What it holds."""
        return self._text

    @text.setter
    def text(self, text: Content) -> None:
        if not text.is_same(self._text):
            self._text = text
            self._lines.clear()

    def lines(self, width: int) -> list[Line]:
        """Its lines in so many cells."""
        if width not in self._lines:
            while len(self._lines) >= KEPT_WIDTHS:
                del self._lines[next(iter(self._lines))]
            lines = wrapped(self._text, width)
            self._lines[width] = [line._replace(folds=True) for line in lines] if self._folds else lines
        return self._lines[width]


class Column(NamedTuple):
    """Lines from the cell `x` on, `width` cells wide; the text begins LEAD cells further right. `edge` is the style of
    the stroke on its left, empty where there is none."""

    x: int
    width: int
    edge: str
    lines: Sequence[Line]
    of: Passage


class Passage:
    """One piece of a log. Subclasses say which blocks stand below each other."""

    edge = ""
    """The style of the stroke on its left; empty: none."""

    def blocks(self) -> Iterable[Block]:
        """What stands below each other."""
        raise NotImplementedError

    def lines(self, width: int) -> list[Line]:
        """All its lines, where its text has so many cells."""
        found: list[Line] = []
        for block in self.blocks():
            found += block.lines(width)
        return found

    def sections(self, width: int) -> list[list[Column]]:
        """In so many cells: what stands below each other, a blank line before each; and in each, side by side."""
        return [[Column(0, width, self.edge, self.lines(max(1, width - LEAD - 1)), self)]]

    @property
    def text(self) -> str:
        """What it says, not wrapped."""
        return "\n".join(block.text.plain for block in self.blocks())


class NotePassage(Passage):
    """Something that the screen itself says."""

    def __init__(self, text: Content | str, kind: str = "") -> None:
        """`kind` names what it is for."""
        self.kind = kind
        self._block = Block(Content.styled(text, "$foreground-muted") if isinstance(text, str) else text)

    def blocks(self) -> Iterable[Block]:
        """The one."""
        return [self._block]


class PromptPassage(Passage):
    """What the user asked."""

    edge = "$foreground 30%"

    def __init__(self, prompt: str, *, by: str = "you") -> None:
        self._block = Block(Content.assemble((f"{by}\n", "bold $foreground-muted"), plain_text(prompt)))
        self.picture: Block | None = None
        """What it is about, where that is shown."""

    def blocks(self) -> Iterable[Block]:
        """The words, and the picture below them."""
        return [self._block] if self.picture is None else [self._block, self.picture]

    @property
    def text(self) -> str:
        """The words."""
        return self._block.text.plain
