"""In which form a run of another machine is exported there."""

from __future__ import annotations

from textual.content import Content

from cockpit.ui.screens.choice_dialog import ChoiceDialog


class FormDialog(ChoiceDialog[str]):
    """The result is the form, as `cockpit export --as` takes it."""

    ABOUT = "export at its host"
    NONE = "There is no form to export in."
    TAKE = "export"

    def line(self, choice: str) -> Content:
        """Its name."""
        return Content(choice)
