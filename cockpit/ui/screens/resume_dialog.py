"""Go on with a run: from which step, and for how many in all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from cockpit.figures import count
from cockpit.plain_text import plain_text
from cockpit.recipe.training import MAX_STEPS
from cockpit.ui.widgets.entry import Entry


class ResumeDialog(ModalScreen[int | None]):
    """The result is the number of steps in all; None when the dialog is closed."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "close", id="dialog.close", tooltip="Close this and start nothing"),
    ]

    def __init__(self, run_id: str, step: int, planned: int, passed: Sequence[str] = ()) -> None:
        """`step` is that of the checkpoint, `passed` says which newer ones do not load.

        What stands in the field at first is the plan; where that is done already, as much again.
        """
        super().__init__()
        self._run_id, self._step, self._passed = run_id, step, passed
        self._first_steps = planned if planned > step else 2 * step

    def compose(self) -> ComposeResult:
        """What it goes on from, and the field."""
        lines = [
            *self._passed,
            f"It goes on from the checkpoint after step {count(self._step)}, with optimizer, schedule and rows.",
            "Steps in all:",
        ]
        with Vertical(classes="dialog") as box:
            box.border_title = Content(f"resume {plain_text(self._run_id, keep_newlines=False)}")
            box.border_subtitle = "enter goes on · esc closes"
            yield Static(Content(plain_text("\n".join(lines))))
            yield Entry(
                str(self._first_steps),
                id="steps",
                help="The step at which the run is complete, counted from its beginning.",
            )
            yield Static("", classes="said", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Entry).focus()

    @on(Input.Changed)
    def _on_typed(self, event: Input.Changed) -> None:
        event.stop()
        wrong = self._why_not(event.value)
        self._say(wrong or f"{count(int(event.value) - self._step)} more.", is_wrong=bool(wrong))

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        wrong = self._why_not(event.value)
        if wrong:
            self._say(wrong, is_wrong=True)
        else:
            self.dismiss(int(event.value))

    def _why_not(self, text: str) -> str:
        text = text.strip()
        if re.fullmatch(r"[0-9]{1,8}", text) is None or int(text) > MAX_STEPS:
            return f"Give a whole number up to {count(MAX_STEPS)}."
        if int(text) <= self._step:
            return f"{count(self._step)} steps are done; give more."
        return ""

    def _say(self, text: str, *, is_wrong: bool) -> None:
        said = self.query_one(".said", Static)
        said.update(Content(text))
        said.set_class(is_wrong, "-wrong")

    def action_cancel(self) -> None:
        """Start nothing."""
        self.dismiss(None)
