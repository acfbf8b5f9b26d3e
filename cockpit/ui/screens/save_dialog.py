"""Save as a recipe of one's own: asks for a name."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from cockpit.plain_text import plain_text
from cockpit.ui.widgets.entry import Entry

LONGEST_NAME = 100


class SaveDialog(ModalScreen[Path | None]):
    """The result is the file to write, below `folder`; None when the dialog is closed."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "close", id="dialog.close", tooltip="Close this and save nothing"),
    ]

    def __init__(self, folder: Path, name: str) -> None:
        """`name` stands in the field at first."""
        super().__init__()
        self._folder = folder
        self._first_name = name
        self._asked_to_replace: Path | None = None

    def compose(self) -> ComposeResult:
        """The field, and where the file will lie."""
        with Vertical(classes="dialog") as box:
            box.border_title = "save as a recipe of your own"
            box.border_subtitle = "enter saves · esc closes"
            yield Static("Its name in the list:")
            yield Entry(self._first_name, id="name", help="The recipe's name: a file name without its ending.")
            yield Static("", classes="said", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Entry).focus()

    @on(Input.Changed)
    def _on_typed(self, event: Input.Changed) -> None:
        event.stop()
        self._asked_to_replace = None
        wrong = why_no_name(event.value)
        path = self._folder / f"{event.value.strip()}.yaml"
        self._say(wrong or f"{path}{', in place of the one there' if path.exists() else ''}", is_wrong=bool(wrong))

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if why_no_name(event.value):
            return
        path = self._folder / f"{event.value.strip()}.yaml"
        if path.exists() and self._asked_to_replace != path:
            self._asked_to_replace = path
            self._say("There is a recipe of this name. Enter again replaces it.", is_wrong=True)
            return
        self.dismiss(path)

    def _say(self, text: str, *, is_wrong: bool) -> None:
        said = self.query_one(".said", Static)
        said.update(Content(plain_text(text, keep_newlines=False)))
        said.set_class(is_wrong, "-wrong")

    def action_cancel(self) -> None:
        """Save nothing."""
        self.dismiss(None)


def why_no_name(text: str) -> str:
    """One sentence where `text` cannot be a recipe's name, else nothing."""
    name = text.strip()
    if not name:
        return "Give it a name."
    if "/" in name or "\\" in name or name.startswith("."):
        return "A name holds no slash and does not begin with a dot."
    if len(name.encode()) > LONGEST_NAME:
        return f"A name has {LONGEST_NAME} bytes at most."
    return ""
