"""Which file: a path prompt that completes."""

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

from cockpit.ui.widgets.completing_entry import CompletingEntry, path_offers

SUFFIXES = (".yaml", ".yml", ".json", ".jsonl", ".csv", ".parquet", ".txt")
ASKED = (
    "A recipe (.yaml) to open, or your own data (.json, .jsonl, .csv, .parquet, .txt) to train the marked recipe on."
)


class PathDialog(ModalScreen[str | None]):
    """The result is the path as typed, of a file that is there; None when the dialog is closed."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "close", id="dialog.close", tooltip="Close this and change nothing"),
    ]

    def compose(self) -> ComposeResult:
        """What is asked, the field, and what is wrong with it."""
        with Vertical(classes="dialog") as box:
            box.border_title = "new from file"
            box.border_subtitle = "tab completes · enter opens · esc closes"
            yield Static(Content(ASKED))
            yield CompletingEntry(
                lambda text: path_offers(text, SUFFIXES),
                placeholder="path/to/file",
                id="path",
                help="A path on this machine. Tab takes the first completion or the marked one, Enter opens the file.",
            )
            yield Static("", classes="said", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one("#path", Input).focus()

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        wrong = why_no_file(text)
        if wrong:
            said = self.query_one(".said", Static)
            said.update(Content(wrong))
            said.add_class("-wrong")
        else:
            self.dismiss(text)

    def action_cancel(self) -> None:
        """No file."""
        self.dismiss(None)


def why_no_file(text: str) -> str:
    """One sentence where `text` is no file that can be opened, else nothing."""
    if not text:
        return "Type the path of a file."
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            return "This is a folder; go on to a file in it."
        if not path.is_file():
            return "There is no such file."
    except (OSError, RuntimeError, ValueError):
        return "This is no path."
    return ""
