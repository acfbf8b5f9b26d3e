"""Go on with a run: from which step, and for how many in all."""

from __future__ import annotations

import re

from cockpit.recipe.scheduler import MAX_STEPS
from cockpit.runs.resumable import ResumePoint
from cockpit.text.numbers import count
from cockpit.ui.screens.entry_dialog import EntryDialog
from cockpit.ui.widgets.entry import Entry


class ResumeDialog(EntryDialog[int]):
    """The result is the number of steps in all; None when the dialog is closed."""

    def __init__(self, point: ResumePoint) -> None:
        """What stands in the field at first is the plan; where that is done already, as much again."""
        step, planned = point.step, point.total_steps or point.step
        lines = [
            *point.passed,
            f"It resumes from the checkpoint after step {count(step)}, with optimizer, schedule and rows.",
            "Steps in all:",
        ]
        entry = Entry(
            str(planned if planned >= point.least_steps else 2 * step),
            id="steps",
            help="The step at which the run is complete, counted from its beginning.",
        )
        super().__init__(f"resume {point.run_id}", "\n".join(lines), entry, "resume")
        self._point = point

    def weigh(self, text: str) -> None:
        wrong = self._why_not(text)
        more = 0 if wrong else int(text) - self._point.step
        told = f"{count(more)} more." if more else "No more: what it has learnt is saved."
        self.say(wrong or told, is_wrong=bool(wrong))

    def take(self, text: str) -> None:
        if not self._why_not(text):
            self.dismiss(int(text))

    def _why_not(self, text: str) -> str:
        if re.fullmatch(r"[0-9]{1,8}", text) is None or int(text) > MAX_STEPS:
            return f"Give a whole number up to {count(MAX_STEPS)}."
        return self._point.why_not_steps(int(text))
