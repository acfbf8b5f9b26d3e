"""What all dialogs share: a box in the middle, buttons for each key, and a click beside the box that closes it."""

from __future__ import annotations

from pathlib import PurePath
from typing import ClassVar, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button

Result = TypeVar("Result")


class AnswerButton(Button):
    """A button of a dialog: its word, and beside it the key that does the same where there is one."""

    HELP = "Enter takes this answer, the arrow keys go to the others, Escape takes none."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "app.focus_next", "next", id="answer.next", tooltip="Go to the next answer", show=False),
        Binding("left", "app.focus_previous", "previous", id="answer.previous", tooltip="Go to the one before",
                show=False),
    ]  # fmt: skip

    def __init__(self, word: str, *, id: str, key: str = "", tooltip: str = "") -> None:
        """`id` is what was answered."""
        self._key = key
        super().__init__(self._text(word), id=id, tooltip=tooltip or None)

    def rename(self, word: str) -> None:
        """Another word on it."""
        self.label = self._text(word)
        self.refresh(layout=True)

    def _text(self, word: str) -> Content:
        return Content.assemble(word, (f" {self._key}" if self._key else "", "$foreground-muted"))


def close_button() -> AnswerButton:
    """The one that does what Escape does."""
    return AnswerButton("close", id="close", key="esc", tooltip="Close this and change nothing")


def answers(*buttons: AnswerButton) -> Horizontal:
    """The buttons in a row, at the end of a dialog."""
    return Horizontal(*buttons, classes="answers")


class ModalDialog(ModalScreen[Result | None]):
    """A question over the screen that asks; the result is None where it is closed without an answer."""

    CSS_PATH: ClassVar[str | PurePath | list[str | PurePath]] = "dialog.tcss"
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (20, "-low"), (32, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "close", id="dialog.close", tooltip="Close this and change nothing"),
        Binding("down", "app.focus_next", "next", id="dialog.next", tooltip="Go to the next field or answer",
                show=False),
        Binding("up", "app.focus_previous", "previous", id="dialog.previous", tooltip="Go to the one before",
                show=False),
    ]  # fmt: skip

    @property
    def holds_input(self) -> bool:
        """Whether something was typed or chosen that closing would lose: then only Escape and the button close it."""
        return False

    def on_click(self, event: events.Click) -> None:
        """A click beside the box closes it."""
        if event.widget is self and not self.holds_input:
            event.stop()
            self.action_cancel()

    def action_cancel(self) -> None:
        """No answer."""
        self.dismiss(None)
