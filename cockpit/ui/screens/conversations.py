"""Which of a run's conversations to go on with."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from cockpit.runs.conversation import Conversation
from cockpit.text.plain_text import plain_line
from cockpit.ui.screens.modal import AnswerButton, ModalDialog, answers, close_button


class ConversationsDialog(ModalDialog[Conversation]):
    """The result is the one that was chosen."""

    DEFAULT_CSS = """
    ConversationsDialog OptionList { height: auto; max-height: 14; }
    """

    def __init__(self, kept: Sequence[Conversation]) -> None:
        super().__init__()
        self._kept = list(kept)

    def compose(self) -> ComposeResult:
        """A line each, the newest first."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content("conversations of this run")
            if self._kept:
                yield OptionList(*(Option(_line(talk)) for talk in self._kept))
                yield answers(AnswerButton("go on", id="take", key="enter"), close_button())
            else:
                yield Static(Content("None has been kept yet: each is, once something was asked."))
                yield answers(close_button())

    def on_mount(self) -> None:
        """Choose at once."""
        self.query("OptionList, Button").first().focus()

    @on(OptionList.OptionSelected)
    def _on_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._kept[event.option_index])

    @on(Button.Pressed)
    def _on_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        highlighted = self.query_one(OptionList).highlighted if event.button.id == "take" else None
        self.dismiss(self._kept[highlighted] if highlighted is not None else None)


def _line(talk: Conversation) -> Content:
    count = len(talk.turns)
    return Content.assemble(
        (f"{count:>3} {'prompt ' if count == 1 else 'prompts'}  ", "$foreground-muted"),
        plain_line(talk.turns[0].prompt)[:200],
    )
