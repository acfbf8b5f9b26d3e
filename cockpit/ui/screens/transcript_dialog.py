"""Where a conversation is saved: asks for a file."""

from __future__ import annotations

from pathlib import Path

from cockpit.paths import expanded
from cockpit.ui.screens.entry_dialog import EntryDialog
from cockpit.ui.widgets.entry import Entry


class TranscriptDialog(EntryDialog[Path]):
    """The result is the file to write; None when the dialog is closed."""

    def __init__(self, name: str) -> None:
        """`name` stands in the field at first."""
        entry = Entry(name, id="file", help="A path on this machine: .jsonl for rows to train on, else Markdown.")
        super().__init__(
            "save the conversation", "The file; .jsonl for rows to train on, else Markdown:", entry, "save"
        )
        self._asked_to_replace: Path | None = None

    def weigh(self, text: str) -> None:
        self._asked_to_replace = None
        self.name_take("save")
        self.say(_why_not(text) or str(_path(text)), is_wrong=bool(_why_not(text)))

    def take(self, text: str) -> None:
        if _why_not(text):
            return
        path = _path(text)
        if path.exists() and self._asked_to_replace != path:
            self._asked_to_replace = path
            self.name_take("replace")
            self.say("There is a file of this name. Enter again replaces it.", is_wrong=True)
            return
        self.dismiss(path)


def _path(text: str) -> Path:
    return expanded(text).absolute()


def _why_not(text: str) -> str:
    """A sentence where nothing can be saved there; else nothing."""
    if not text:
        return "Give it a name."
    path = _path(text)
    if path.is_dir():
        return "That is a folder; name a file in it."
    return "" if path.parent.is_dir() else f"There is no folder {path.parent}."
