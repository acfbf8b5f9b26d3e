"""A question over the screen: a title, a few lines, and buttons. The answer is the chosen button's id, or None."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Static

from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.screens.modal import AnswerButton, ModalDialog, answers


@dataclass(frozen=True)
class Answer:
    """One button: its id (the dialog's result), its label, and what it does, in a sentence."""

    id: str
    label: str
    tooltip: str


class Dialog(ModalDialog[str]):
    """Shown over the screen that asks. The first answer has the focus; Escape answers None."""

    def __init__(self, title: str, text: str | Content, answers: Sequence[Answer]) -> None:
        """`text` may hold strings that others wrote; it is never read as markup."""
        super().__init__()
        self._title = plain_line(title)
        self._text = text if isinstance(text, Content) else Content(plain_text(text))
        self._answers = answers

    def compose(self) -> ComposeResult:
        """Title, text, and the answers in a row."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            with VerticalScroll(classes="dialog-text", can_focus=False):
                yield Static(self._text)
            yield answers(
                *(AnswerButton(answer.label, id=answer.id, tooltip=answer.tooltip) for answer in self._answers)
            )

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The answer."""
        event.stop()
        self.dismiss(event.button.id)
