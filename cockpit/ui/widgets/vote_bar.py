"""VoteBar: which of two replies is the better one, before it is said whose they are"""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.pair_view import PairView

Chosen = Literal["first", "second", "neither"]


class VoteBar(Static, can_focus=True):
    """Takes a key or a click; posts Voted once, and then says what came of it."""

    HELP = "Which of the two replies is better? a or b, or = where neither is. Who has written which is said then."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "vote('first')", "A", id="vote.a", tooltip="A is the better one"),
        Binding("b", "vote('second')", "B", id="vote.b", tooltip="B is the better one"),
        Binding("equals_sign,n", "vote('neither')", "neither", id="vote.neither", key_display="=",
                tooltip="Neither is better"),
    ]  # fmt: skip
    DEFAULT_CSS = """
    VoteBar { height: auto; padding: 0 1; margin-top: 1; color: $foreground 80%; }
    VoteBar:focus { background: $block-cursor-background; }
    """

    class Voted(Message):
        """Which was chosen, of the pair."""

        def __init__(self, bar: VoteBar, pair: PairView, chosen: Chosen) -> None:
            super().__init__()
            self.bar, self.pair, self.chosen = bar, pair, chosen

    def __init__(self, pair: PairView) -> None:
        question = (
            "Which is better?  [@click=vote('first')]A[/]  [@click=vote('second')]B[/]  [@click=vote('neither')]=[/]"
        )
        super().__init__(Content.from_markup(question))
        self._pair, self._is_over = pair, False

    def action_vote(self, chosen: Chosen) -> None:
        """Once."""
        if not self._is_over:
            self._is_over = True
            self.can_focus = False
            self.post_message(self.Voted(self, self._pair, chosen))

    def tell(self, better: str, counts: str) -> None:
        """Which it was, and how all votes stand."""
        self.update(Content.assemble((f"{better}  ", "bold"), (f"{glyphs().dot} votes: {counts}", "$foreground-muted")))

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Letters are votes here, never a key of the screen."""
        return character is not None and character.isalpha()
