"""PairPassage: the replies of base and tuned to one prompt, side by side, with the words that differ underlined"""

from __future__ import annotations

import random
from collections.abc import Iterable

from cockpit.ui.widgets.passages import LEAD, Block, Column, Passage
from cockpit.ui.widgets.reply_passage import ReplyPassage

ROOM_FOR_TWO = 56
"""Columns from which on the two stand side by side; below, one above the other."""


class PairPassage(Passage):
    """What differs is found by whoever shows it, once `is_whole`."""

    def __init__(self, base: ReplyPassage, tuned: ReplyPassage, *, blind: bool = False) -> None:
        """`blind`: in an order drawn by lot, and until `reveal` nobody is told which is which."""
        self.order = random.sample((base, tuned), 2) if blind else [base, tuned]
        self.base, self.tuned = base, tuned
        self.is_blind = blind
        for one, name in zip(self.order, "AB", strict=True):
            one.mask(name if blind else "")

    def is_tuned(self, at: int) -> bool:
        """Whether the tuned model has written the reply at this place."""
        return self.order[at] is self.tuned

    @property
    def is_whole(self) -> bool:
        """Whether both replies are."""
        return self.base.is_whole and self.tuned.is_whole

    def reveal(self) -> None:
        """Say which is which."""
        self.is_blind = False
        for one in self.order:
            one.mask("")

    def blocks(self) -> Iterable[Block]:
        """Those of both."""
        return [block for one in self.order for block in one.blocks()]

    @property
    def text(self) -> str:
        """Of both, one after the other."""
        return "\n".join(one.text for one in self.order)

    def sections(self, width: int) -> list[list[Column]]:
        """Side by side where there is room."""
        if width < ROOM_FOR_TWO:
            return [section for one in self.order for section in one.sections(width)]
        left = width // 2
        places = ((0, left), (left, width - left))
        columns = [
            Column(x, cells, one.edge, one.lines(max(1, cells - LEAD - 1)), one)
            for one, (x, cells) in zip(self.order, places, strict=True)
        ]
        return [columns]
