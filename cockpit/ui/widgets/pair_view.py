"""PairView: the replies of base and tuned to one prompt, side by side, with the words that differ underlined"""

from __future__ import annotations

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

    def __init__(self, base: ReplyView, tuned: ReplyView) -> None:
        super().__init__(base, tuned)
        self._base, self._tuned = base, tuned

    def on_resize(self, event: Resize) -> None:
        """Side by side where there is room."""
        self.set_class(event.size.width < ROOM_FOR_TWO, "-stacked")

    def settle(self) -> bool:
        """Mark the differences when both replies are whole. Whether that was begun."""
        if not (self._base.is_whole and self._tuned.is_whole):
            return False
        if self._base.answer and self._tuned.answer:
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
