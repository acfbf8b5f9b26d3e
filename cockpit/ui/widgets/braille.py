"""A canvas of braille dots: two dots wide and four high in every cell, with one ink a cell and text on top."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bits of the left and the right dots, from top to bottom."""
_FROM = [[sum(side[at:]) for at in range(4)] for side in _BITS]
_UP_TO = [[sum(side[: at + 1]) for at in range(4)] for side in _BITS]
_BRAILLE = [chr(0x2800 + bits) for bits in range(256)]


def _ascii_cell(bits: int) -> str:
    """The ASCII character that lies nearest to a cell's dots: by which of its rows are taken."""
    if not bits:
        return " "
    high, middle, low = bits & 0x09, bits & 0x36, bits & 0xC0
    if high and low:
        return "|"
    if high:
        return "'" if not middle else '"'
    if low:
        return "." if not middle else ","
    return "-"


_ASCII = [_ascii_cell(bits) for bits in range(256)]


class BrailleCanvas:
    """`width` x `height` cells. Dots count from the upper left corner; a cell that two inks want goes to the higher."""

    def __init__(self, width: int, height: int, *, braille: bool = True) -> None:
        self.width, self.height = width, height
        self._cells = _BRAILLE if braille else _ASCII
        self._bits = [bytearray(width) for _ in range(height)]
        self._inks = [bytearray(width) for _ in range(height)]
        self._text: list[dict[int, str]] = [{} for _ in range(height)]

    def column(self, x: int, top: int, bottom: int, ink: int) -> None:
        """Dots in column `x` from row `top` to row `bottom`, both included; what lies outside is not drawn."""
        top, bottom = max(0, top), min(self.height * 4 - 1, bottom)
        if not 0 <= x < self.width * 2 or top > bottom:
            return
        cell, side = x >> 1, x & 1
        first, last = top >> 2, bottom >> 2
        for row in range(first, last + 1):
            bits = _FROM[side][top & 3] if row == first else _FROM[side][0]
            if row == last:
                bits &= _UP_TO[side][bottom & 3]
            inks = self._inks[row]
            if inks[cell] < ink:
                inks[cell] = ink
                self._bits[row][cell] = bits
            elif inks[cell] == ink:
                self._bits[row][cell] |= bits

    def curve(self, spans: Sequence[tuple[int, int] | None], ink: int, first: int = 0) -> None:
        """A curve whose column `first + i` reaches from dot row `spans[i][0]` down to `spans[i][1]`.

        Neighbouring columns are joined; columns that are None are bridged by a straight line.
        """
        before: tuple[int, int, int] | None = None
        for x, span in enumerate(spans, first):
            if span is None:
                continue
            top, bottom = span
            if before is not None:
                before_x, before_top, before_bottom = before
                if x - before_x > 1:
                    self._bridge(before_x, (before_top + before_bottom) // 2, x, (top + bottom) // 2, ink)
                elif top > before_bottom + 1:
                    top = before_bottom + 1
                elif bottom < before_top - 1:
                    bottom = before_top - 1
            self.column(x, top, bottom, ink)
            before = (x, *span)

    def points(self, spans: Sequence[tuple[int, int] | None], ink: int, first: int = 0) -> None:
        """As curve, but nothing is joined."""
        for x, span in enumerate(spans, first):
            if span is not None:
                self.column(x, *span, ink)

    def write(self, column: int, row: int, text: str, ink: int) -> None:
        """Text on top of the dots, one cell a character; what lies outside is cut off."""
        if not 0 <= row < self.height:
            return
        for at, char in enumerate(text, column):
            if 0 <= at < self.width:
                self._text[row][at] = char
                self._inks[row][at] = ink

    def is_empty(self, column: int, row: int, length: int) -> bool:
        """Whether these cells lie on the canvas and nothing is drawn there."""
        if not (0 <= row < self.height and column >= 0 and column + length <= self.width):
            return False
        return not any(self._bits[row][column : column + length]) and not any(
            at in self._text[row] for at in range(column, column + length)
        )

    def strips(self, styles: Sequence[Style]) -> list[Strip]:
        """The rows, each cell in the style of its ink: `styles[0]` is for empty cells."""
        drawn = []
        for bits, inks, text in zip(self._bits, self._inks, self._text, strict=True):
            segments: list[Segment] = []
            run: list[str] = []
            ink = inks[0] if self.width else 0
            for at in range(self.width):
                if inks[at] != ink:
                    segments.append(Segment("".join(run), styles[ink]))
                    run, ink = [], inks[at]
                char = text.get(at)
                run.append(char if char is not None else self._cells[bits[at]] if bits[at] else " ")
            segments.append(Segment("".join(run), styles[ink]))
            drawn.append(Strip(segments, self.width))
        return drawn

    def _bridge(self, x0: int, y0: int, x1: int, y1: int, ink: int) -> None:
        before = y0
        for x in range(x0 + 1, x1):
            y = y0 + round((y1 - y0) * (x - x0) / (x1 - x0))
            self.column(x, min(y, before + (y > before)), max(y, before - (y < before)), ink)
            before = y
