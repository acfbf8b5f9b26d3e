"""Go on with a run: from which step, and for how many in all."""

from __future__ import annotations

import re

from cockpit.recipe.training import MAX_STEPS
from cockpit.text.numbers import count
from cockpit.ui.runs.host import ResumeChoice
from cockpit.ui.screens.entry_dialog import EntryDialog
from cockpit.ui.widgets.entry import Entry


class ResumeDialog(EntryDialog[int]):
    """The result is the number of steps in all; None when the dialog is closed."""

    def __init__(self, choice: ResumeChoice) -> None:
        """What stands in the field at first is the plan; where that is done already, as much again."""
        step, planned = choice.step, choice.planned
        self._least = step + choice.is_saved
        lines = [
            *choice.passed,
            f"It resumes from the checkpoint after step {count(step)}, with optimizer, schedule and rows.",
            "Steps in all:",
        ]
        entry = Entry(
            str(planned if planned >= self._least else 2 * step),
            id="steps",
            help="The step at which the run is complete, counted from its beginning.",
        )
        super().__init__(f"resume {choice.run_id}", "\n".join(lines), entry, "enter goes on")
        self._step = step

    def weigh(self, text: str) -> None:
        wrong = self._why_not(text)
        more = 0 if wrong else int(text) - self._step
        told = f"{count(more)} more." if more else "No more: what it has learnt is saved."
        self.say(wrong or told, is_wrong=bool(wrong))

    def take(self, text: str) -> None:
        if not self._why_not(text):
            self.dismiss(int(text))

    def _why_not(self, text: str) -> str:
        if re.fullmatch(r"[0-9]{1,8}", text) is None or int(text) > MAX_STEPS:
            return f"Give a whole number up to {count(MAX_STEPS)}."
        if int(text) < self._least:
            return f"{count(self._step)} steps are done; give more."
        return ""
