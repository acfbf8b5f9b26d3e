"""How a run is ended from its screen: lightly at first, then what hurries it; each is asked about"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType
from textual.screen import Screen

from cockpit.runs.stopping import stopping, why_still_running
from cockpit.text.plain_text import plain_text
from cockpit.ui.screens.questions import drop, end_engine, stop_run

if TYPE_CHECKING:
    from cockpit.ui.runs.session import RunSession

STOPS = ("stop", "stop_early", "drop", "abort")
"""As the names of actions."""

STOP_BINDINGS: list[BindingType] = [
    Binding("s", "stop", "stop and save", id="live.stop", tooltip="End the run with what was trained saved"),
    Binding("s", "stop_early", "stop", id="live.stop_early", tooltip="End the run; there is no step to save yet"),
    Binding("s", "drop", "stop without saving", id="live.drop", tooltip="End at once and save nothing"),
    Binding("s", "abort", "end the engine", id="live.abort", tooltip="End its process now, whatever it does"),
]  # fmt: skip
"""For the screen itself: of two classes, one alone can have bindings for a key."""


class RunStops(Screen[None]):
    """A screen of one run. Its `check_action` says whether the run still trains; `stop_action` which key works then."""

    session: RunSession

    def show_now(self) -> None:
        """Show what has become of the run, without waiting for news."""
        raise NotImplementedError

    def stop_note(self) -> str:
        """What the run does towards its end, where one was asked for; else empty."""
        asked, state = self.session.stop_asked, self.session.state
        if asked is None or self.session.is_over:
            return ""
        now = stopping(state)
        if asked == "save":
            return now.note
        return f"dropping the {now.under_way}" if now.under_way else "stopping: nothing more is saved"

    def stop_action(self) -> str:
        """What the key of a stop means: at first a stop, then what hurries it."""
        asked, now = self.session.stop_asked, stopping(self.session.state)
        if asked is None:
            return "stop" if now.saves else "stop_early"
        return "drop" if asked == "save" and now.under_way else "abort"

    def action_stop(self) -> None:
        """Ask lightly, then end the run with what was trained saved."""
        self.app.push_screen(stop_run(stopping(self.session.state)), self._stop_when_confirmed(save=True))

    def action_stop_early(self) -> None:
        """The same where there is nothing to save."""
        self.action_stop()

    def action_drop(self) -> None:
        """Ask, then end at once."""
        self.app.push_screen(drop(stopping(self.session.state).under_way), self._stop_when_confirmed(save=False))

    def action_abort(self) -> None:
        """Ask, then end the process: an import, compiling, and a kernel that hangs, heed nothing else."""
        self.app.push_screen(end_engine(why_still_running(self.session.state)), self._abort_confirmed)

    def _abort_confirmed(self, answer: str | None) -> None:
        if answer != "yes" or self.session.is_over:
            return
        try:
            self.session.abort()
        except (OSError, ValueError) as error:
            self.notify(f"The engine could not be ended: {plain_text(str(error))}", severity="error", markup=False)
        self.show_now()

    def _stop_when_confirmed(self, *, save: bool) -> Callable[[str | None], None]:
        """What the dialog's answer leads to. Others may ask for a stop, or resume, while it is open: what was confirmed
        is what is asked for, of the attempt that it was asked about."""
        return partial(self._confirmed, save, self.session.state.attempt)

    def _confirmed(self, save: bool, attempt: int, answer: str | None) -> None:
        if answer != "yes" or self.session.is_over or self.session.state.attempt != attempt:
            return
        try:
            self.session.stop(save=save)
        except OSError as error:
            self.notify(f"The run could not be asked: {plain_text(str(error))}", severity="error", markup=False)
        self.show_now()
