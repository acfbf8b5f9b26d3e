"""ChoiceDialog: one of several things, a line each"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from cockpit.ui.screens.modal import AnswerButton, ModalDialog, answers, close_button

Choice = TypeVar("Choice")


class ChoiceDialog(ModalDialog[Choice]):
    """The result is the one that was chosen. Subclasses say what it is about, and how one is written."""

    DEFAULT_CSS = """
    ChoiceDialog OptionList { height: auto; max-height: 14; }
    """
    ABOUT: ClassVar[str]
    NONE: ClassVar[str]
    """What is said where there is nothing to choose."""
    TAKE: ClassVar[str]
    """What the button is called."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._choices = list(choices)

    def line(self, choice: Choice) -> Content:
        """How one is written."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """A line each."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self.ABOUT)
            if self._choices:
                yield OptionList(*(Option(self.line(one)) for one in self._choices), classes="pane")
                yield answers(AnswerButton(self.TAKE, id="take", key="enter"), close_button())
            else:
                yield Static(Content(self.NONE))
                yield answers(close_button())

    def on_mount(self) -> None:
        """Choose at once."""
        self.query("OptionList, Button").first().focus()

    @on(OptionList.OptionSelected)
    def _on_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._choices[event.option_index])

    @on(Button.Pressed)
    def _on_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        highlighted = self.query_one(OptionList).highlighted if event.button.id == "take" else None
        self.dismiss(self._choices[highlighted] if highlighted is not None else None)
