"""Which of a run's conversations to go on with."""

from __future__ import annotations

from textual.content import Content

from cockpit.runs.conversation import Conversation
from cockpit.text.plain_text import plain_line
from cockpit.ui.screens.choice_dialog import ChoiceDialog


class ConversationsDialog(ChoiceDialog[Conversation]):
    """The newest first; the result is the one to go on with."""

    ABOUT = "conversations of this run"
    NONE = "None has been kept yet: each is, once something was asked."
    TAKE = "go on"

    def line(self, choice: Conversation) -> Content:
        """How long it is, and how it began."""
        count = len(choice.turns)
        return Content.assemble(
            (f"{count:>3} {'prompt ' if count == 1 else 'prompts'}  ", "$foreground-muted"),
            plain_line(choice.turns[0].prompt)[:200],
        )
