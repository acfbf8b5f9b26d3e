"""A question over the screen that is answered by typing one line."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from cockpit.text.plain_text import plain_line, plain_text

Answer = TypeVar("Answer")


class EntryDialog(ModalScreen[Answer | None]):
    """What is asked, the line, and what is said of what was typed. The result is None when the dialog is closed."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "close", id="dialog.close", tooltip="Close this and change nothing"),
    ]

    def __init__(self, title: str, asked: str, entry: Widget, keys: str) -> None:
        """`entry` is an Input or holds one; `keys` says what Enter does. No string is read as markup."""
        super().__init__()
        self._title, self._asked, self._entry, self._keys = title, asked, entry, keys

    def compose(self) -> ComposeResult:
        """The question, the line, and room for a sentence."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(plain_line(self._title))
            box.border_subtitle = Content(f"{self._keys} · esc closes")
            yield Static(Content(plain_text(self._asked)))
            yield self._entry
            yield Static("", classes="said", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _on_typed(self, event: Input.Changed) -> None:
        event.stop()
        self.weigh(event.value.strip())

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.take(event.value.strip())

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

    def action_cancel(self) -> None:
        """No answer."""
        self.dismiss(None)
