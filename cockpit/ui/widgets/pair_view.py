"""PairView: the replies of base and tuned to one prompt, side by side, with the words that differ underlined"""

from __future__ import annotations

import random

from textual import work
from textual.containers import Horizontal
from textual.events import Resize

from cockpit.text.word_diff import Span, word_diff
from cockpit.ui.widgets.reply_view import ReplyView

ROOM_FOR_TWO = 56
"""Columns from which on the two stand side by side; below, one above the other."""


class PairView(Horizontal):
    """`settle` is called as the replies grow."""

    DEFAULT_CSS = """
    PairView { height: auto; }
    PairView > ReplyView { width: 1fr; }
    PairView.-stacked { layout: vertical; }
    PairView.-stacked > ReplyView { width: 100%; }
    """

    def __init__(self, base: ReplyView, tuned: ReplyView, *, blind: bool = False) -> None:
        """`blind`: in an order drawn by lot, and until `reveal` nobody is told which is which."""
        self.order = random.sample((base, tuned), 2) if blind else [base, tuned]
        super().__init__(*self.order)
        self._base, self._tuned = base, tuned
        self.is_blind = blind
        for view, name in zip(self.order, "AB", strict=True):
            view.mask(name if blind else "")

    def is_tuned(self, at: int) -> bool:
        """Whether the tuned model has written the reply at this place."""
        return self.order[at] is self._tuned

    def reveal(self) -> None:
        """Say which is which, and mark what differs."""
        self.is_blind = False
        for view in self.order:
            view.mask("")
        self.settle()

    def on_resize(self, event: Resize) -> None:
        """Side by side where there is room."""
        self.set_class(event.size.width < ROOM_FOR_TWO, "-stacked")

    def settle(self) -> bool:
        """Mark the differences when both replies are whole. Whether that was begun."""
        if not (self._base.is_whole and self._tuned.is_whole):
            return False
        if self._base.answer and self._tuned.answer and not self.is_blind:
            self._compare(self._base.answer, self._tuned.answer)
        return True

    @work(thread=True)
    def _compare(self, base: str, tuned: str) -> None:
        """In a thread, as two long texts without a word in common take a second."""
        spans = word_diff(base, tuned)
        self.app.call_from_thread(self._mark, *spans)

    def _mark(self, base: list[Span], tuned: list[Span]) -> None:
        self._base.mark(base)
        self._tuned.mark(tuned)
