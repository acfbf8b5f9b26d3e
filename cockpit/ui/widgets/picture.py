"""A picture in half blocks: two of its points in each cell, one above the other, where the terminal has the colours"""

from __future__ import annotations

from textual.content import Content

from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.passages import Block, Line

COLOURS = ("256", "truecolor", "windows")
UPPER_HALF = "▀"


def shows_pictures(color_system: str | None) -> bool:
    """Whether a terminal with these colours, as rich names them, can show one."""
    return color_system in COLOURS and glyphs().braille


def half_blocks(path: str, columns: int, rows: int) -> list[Content]:
    """The picture in this file, as large as fits into so many cells and no larger than it is; nothing where it cannot
    be read, or Pillow is not there, which comes with the training stack."""
    try:
        from PIL import Image
    except ImportError:
        return []
    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (columns, 2 * rows))  # a large JPEG need not be read in full
            image = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return []
    image.thumbnail((max(1, columns), max(2, 2 * rows)))
    width, height = image.size
    paper = Image.new("RGBA", (width, height + height % 2), "white")
    paper.paste(image, (0, 0), image)
    points = paper.convert("RGB").load()
    assert points is not None
    return [_row(points, width, y) for y in range(0, paper.height, 2)]


def _row(points: object, width: int, y: int) -> Content:
    """Cells of one pair of colours in one piece."""
    pairs = [(points[x, y], points[x, y + 1]) for x in range(width)]  # type: ignore[index]
    parts: list[tuple[str, str]] = []
    begin = 0
    for x in range(1, width + 1):
        if x == width or pairs[x] != pairs[begin]:
            upper, lower = ("#" + "".join(f"{channel:02x}" for channel in point) for point in pairs[begin])
            parts.append((UPPER_HALF * (x - begin), f"{upper} on {lower}"))
            begin = x
    return Content.assemble(*parts)


class PictureBlock(Block):
    """Cut where it is wider than its place, never wrapped."""

    def __init__(self, rows: list[Content]) -> None:
        super().__init__(Content("\n").join(rows))
        self._rows = rows

    def lines(self, width: int) -> list[Line]:
        """A row a line."""
        if width not in self._lines:
            self._lines[width] = [Line(row.truncate(width)) for row in self._rows]
        return self._lines[width]
