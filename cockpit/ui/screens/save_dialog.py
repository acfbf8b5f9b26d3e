"""Save as a recipe of one's own: asks for a name."""

from __future__ import annotations

from pathlib import Path

from cockpit.ui.screens.entry_dialog import EntryDialog
from cockpit.ui.widgets.entry import Entry

LONGEST_NAME = 100


class SaveDialog(EntryDialog[Path]):
    """The result is the file to write, below `folder`; None when the dialog is closed."""

    def __init__(self, folder: Path, name: str) -> None:
        """`name` stands in the field at first."""
        entry = Entry(name, id="name", help="The recipe's name: a file name without its ending.")
        super().__init__("save as a recipe of your own", "Its name in the list:", entry, "save")
        self._folder = folder
        self._asked_to_replace: Path | None = None

    def weigh(self, text: str) -> None:
        self._asked_to_replace = None
        wrong, path = why_no_name(text), self._path(text)
        self.name_take("save")
        self.say(wrong or f"{path}{', in place of the one there' if path.exists() else ''}", is_wrong=bool(wrong))

    def take(self, text: str) -> None:
        path = self._path(text)
        if why_no_name(text):
            return
        if path.exists() and self._asked_to_replace != path:
            self._asked_to_replace = path
            self.name_take("replace")
            self.say("There is a recipe of this name. Enter again replaces it.", is_wrong=True)
            return
        self.dismiss(path)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.yaml"


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
