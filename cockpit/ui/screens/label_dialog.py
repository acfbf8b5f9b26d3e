"""What a run is called: its name, tags and a note, in one line."""

from __future__ import annotations

from cockpit.runs.label import Label
from cockpit.text.plain_text import plain_line
from cockpit.ui.screens.entry_dialog import EntryDialog
from cockpit.ui.widgets.entry import Entry


class LabelDialog(EntryDialog[Label]):
    """The result is the label that the run is to have; None when the dialog is closed."""

    def __init__(self, run_id: str, label: Label) -> None:
        entry = Entry(label.line(), id="label", help="A name, then #tags, then a note behind a |, each as you like.")
        super().__init__(f"label {plain_line(run_id)}", "Name #tag #tag | note", entry, "save")

    def weigh(self, text: str) -> None:
        label = Label.parse(text)
        wrong = label.why_not()
        tags = ", ".join(label.tags) or "no tags"
        self.say(wrong or f"{label.name or 'no name'}; {tags}; {label.note or 'no note'}", is_wrong=bool(wrong))

    def take(self, text: str) -> None:
        label = Label.parse(text)
        if not label.why_not():
            self.dismiss(label)
