"""Lines: a widget of unwrapped lines of text, of which only what has changed goes to the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from rich.cells import cell_len
from rich.segment import Segment
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class Lines(Widget):
    """Subclasses give `lines`, and call `redraw` when these may be others than before."""

    DEFAULT_CSS = """
    Lines { text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._shown: list[Content] = []
        self._shown_width = -1

    def lines(self) -> list[Content]:
        """What is to be seen, in the present width."""
        raise NotImplementedError

    def redraw(self) -> None:
        """See that the terminal shows the present lines."""
        lines = self.lines()
        is_taller = len(lines) != len(self._shown)
        if is_taller or self.content_size.width != self._shown_width:
            self._keep(lines)
            self.refresh(layout=is_taller)
        elif changed := changed_regions(self._shown, lines):
            self._keep(lines)
            self.refresh(*changed)

    def render(self) -> Content:
        if self.content_size.width != self._shown_width:
            self._keep(self.lines())
        return Content("\n").join(self._shown)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._shown or self.lines())

    def _keep(self, lines: list[Content]) -> None:
        self._shown, self._shown_width = lines, self.content_size.width


def changed_regions(before: Sequence[Content], now: Sequence[Content]) -> list[Region]:
    """Where these lines differ from as many lines before."""
    found = []
    for y, (old, new) in enumerate(zip(before, now, strict=True)):
        if old.plain == new.plain and old.spans == new.spans:
            continue
        begin, end = 0, max(old.cell_length, new.cell_length)
        if old.spans == new.spans:
            begin = _common_cells(old.plain, new.plain)
            if old.cell_length == new.cell_length:
                end -= _common_cells(old.plain[::-1], new.plain[::-1])
        found.append(Region(begin, y, max(1, end - begin), 1))
    return found


def _common_cells(one: str, other: str) -> int:
    """How many cells the beginning takes that both have."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return cell_len("".join(char for char, _ in pairs))


def changed_strips(before: Sequence[Strip | None], now: Sequence[Strip]) -> list[Region]:
    """Where these strips differ from those that were drawn before; None: one that was not drawn."""
    found = []
    for y, (old, new) in enumerate(zip(before, now, strict=True)):
        if old is None:
            found.append(Region(0, y, new.cell_length, 1))
        elif old != new:
            ahead, behind = _same_cells(old, new), _same_cells(reversed([*old]), reversed([*new]))
            found.append(Region(ahead, y, max(1, new.cell_length - ahead - behind), 1))
    return found


def _same_cells(one: Iterable[Segment], other: Iterable[Segment]) -> int:
    """How many cells the segments take that both begin with."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(segment.cell_length for segment, _ in pairs)
