"""VoteBar: which of two replies is the better one, before it is said whose they are"""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from cockpit.ui.widgets.pair_passage import PairPassage

Chosen = Literal["first", "second", "neither"]
QUESTION = (
    "Which is better?  [@click=vote('first')]A[/]  [@click=vote('second')]B[/]  [@click=vote('neither')]= neither[/]"
)


class VoteBar(Static, can_focus=True):
    """Out of sight until `ask` is called; takes a key or a click then, and posts Voted once."""

    HELP = "Which of the two replies is better? a or b, or = where neither is. Who has written which is said then."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "vote('first')", "A", id="vote.a", tooltip="A is the better one"),
        Binding("b", "vote('second')", "B", id="vote.b", tooltip="B is the better one"),
        Binding("equals_sign,n", "vote('neither')", "neither", id="vote.neither", key_display="=",
                tooltip="Neither is better"),
    ]  # fmt: skip
    DEFAULT_CSS = """
    VoteBar { height: auto; padding: 0 1; color: $foreground 80%; display: none; }
    VoteBar.-asks { display: block; }
    VoteBar:focus { background: $block-cursor-background; }
    """

    class Voted(Message):
        """Which was chosen, of the pair."""

        def __init__(self, pair: PairPassage, chosen: Chosen) -> None:
            super().__init__()
            self.pair, self.chosen = pair, chosen

    def __init__(self) -> None:
        super().__init__(Content.from_markup(QUESTION))
        self._pair: PairPassage | None = None

    def ask(self, pair: PairPassage | None) -> None:
        """About these two; None: about nothing any more."""
        self._pair = pair
        self.set_class(pair is not None, "-asks")
        if pair is not None:
            self.focus()

    def action_vote(self, chosen: Chosen) -> None:
        """Once."""
        if self._pair is not None:
            self.post_message(self.Voted(self._pair, chosen))
            self.ask(None)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Letters are votes here, never a key of the screen."""
        return character is not None and character.isalpha()
