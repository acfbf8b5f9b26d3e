"""Whom to ask beside the run in the chat: one of its checkpoints, or another run."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from cockpit.text.plain_text import plain_line
from cockpit.ui.runs.beside import Candidate
from cockpit.ui.screens.modal import AnswerButton, ModalDialog, answers, close_button

NONE = "There is no checkpoint of this run, and no other run that has saved anything."


class BesideDialog(ModalDialog[Candidate]):
    """The result is the one that was chosen."""

    DEFAULT_CSS = """
    BesideDialog OptionList { height: auto; max-height: 14; }
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        super().__init__()
        self._candidates = list(candidates)

    def compose(self) -> ComposeResult:
        """A line each."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content("ask beside this run")
            if self._candidates:
                yield OptionList(*(Option(_line(one)) for one in self._candidates))
                yield answers(AnswerButton("ask", id="take", key="enter"), close_button())
            else:
                yield Static(Content(NONE))
                yield answers(close_button())

    def on_mount(self) -> None:
        """Choose at once."""
        self.query("OptionList, Button").first().focus()

    @on(OptionList.OptionSelected)
    def _on_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._candidates[event.option_index])

    @on(Button.Pressed)
    def _on_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        highlighted = self.query_one(OptionList).highlighted if event.button.id == "take" else None
        self.dismiss(self._candidates[highlighted] if highlighted is not None else None)


def _line(candidate: Candidate) -> Content:
    return Content.assemble(plain_line(candidate.name), (f"  {candidate.says}", "$foreground-muted"))
