"""Which file: a path prompt that completes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cockpit.ui.screens.entry_dialog import EntryDialog
from cockpit.ui.widgets.completing_entry import CompletingEntry, path_offers

SUFFIXES = (".yaml", ".yml", ".json", ".jsonl", ".csv", ".parquet", ".txt")
ASKED = (
    "A recipe (.yaml) to open, or your own data (.json, .jsonl, .csv, .parquet, .txt) to train the marked recipe on."
)


class PathDialog(EntryDialog[str]):
    """The result is the path as typed, of a file that is there; None when the dialog is closed."""

    def __init__(
        self,
        title: str = "new from file",
        asked: str = ASKED,
        suffixes: Sequence[str] = SUFFIXES,
        takes: str = "open",
    ) -> None:
        """Files with one of `suffixes` are offered; `takes` is the word for what Enter does with one."""
        entry = CompletingEntry(
            lambda text: path_offers(text, suffixes),
            placeholder="path/to/file",
            id="path",
            help="A path on this machine. Tab takes the first completion or the marked one; a click into the field "
            "lists what is there.",
        )
        super().__init__(title, asked, entry, takes)

    def take(self, text: str) -> None:
        wrong = why_no_file(text)
        if wrong:
            self.say(wrong, is_wrong=True)
        else:
            self.dismiss(text)


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
