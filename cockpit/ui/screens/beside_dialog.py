"""Whom to ask beside the run in the chat: one of its checkpoints, or another run."""

from __future__ import annotations

from textual.content import Content

from cockpit.text.plain_text import plain_line
from cockpit.ui.runs.beside import Candidate
from cockpit.ui.screens.choice_dialog import ChoiceDialog


class BesideDialog(ChoiceDialog[Candidate]):
    """The result is whom to ask."""

    ABOUT = "ask beside this run"
    NONE = "There is no checkpoint of this run, and no other run that has saved anything."
    TAKE = "ask"

    def line(self, choice: Candidate) -> Content:
        """Its name, and what is known of it."""
        return Content.assemble(plain_line(choice.name), (f"  {choice.says}", "$foreground-muted"))
