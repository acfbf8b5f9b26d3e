"""A question over the screen that is answered by typing one line."""

from __future__ import annotations

from typing import TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.screens.modal import AnswerButton, ModalDialog, answers, close_button

Answer = TypeVar("Answer")


class EntryDialog(ModalDialog[Answer]):
    """What is asked, the line, what is said of what was typed, and buttons. The result is None when it is closed."""

    def __init__(self, title: str, asked: str, entry: Widget, takes: str) -> None:
        """`entry` is an Input or holds one; `takes` is the word for what Enter does. No string is read as markup."""
        super().__init__()
        self._title, self._asked, self._entry = title, asked, entry
        self._take_button = AnswerButton(takes, id="take", key="enter")
        self._began_with = ""

    def compose(self) -> ComposeResult:
        """The question, the line, room for a sentence, and the keys as buttons."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(plain_line(self._title))
            yield Static(Content(plain_text(self._asked)))
            yield self._entry
            yield Static("", classes="said", markup=False)
            yield answers(self._take_button, close_button())

    def on_mount(self) -> None:
        """Type at once."""
        line = self.query_one(Input)
        self._began_with = line.value
        line.focus()

    @property
    def holds_input(self) -> bool:
        return self.query_one(Input).value != self._began_with

    @on(Input.Changed)
    def _on_typed(self, event: Input.Changed) -> None:
        event.stop()
        self.weigh(event.value.strip())

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.take(event.value.strip())

    @on(Button.Pressed)
    def _on_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button is self._take_button:
            self.take(self.query_one(Input).value.strip())
        else:
            self.action_cancel()

    def weigh(self, text: str) -> None:
        """Say something of what stands in the line, at first and after each key."""

    def take(self, text: str) -> None:
        """Dismiss with the answer, or say why not."""
        raise NotImplementedError

    def say(self, text: str, *, is_wrong: bool) -> None:
        """Show a sentence below the line; it may hold strings that others wrote."""
        said = self.query_one(".said", Static)
        said.update(Content(plain_line(text)))
        said.set_class(is_wrong, "-wrong")

    def name_take(self, word: str) -> None:
        """Another word for what Enter does now."""
        self._take_button.rename(word)
