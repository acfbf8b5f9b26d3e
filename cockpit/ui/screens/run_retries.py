"""What can be done about a run that has failed, by a key on its screen: launch it again, edit it, read its log"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType
from textual.screen import Screen

from cockpit.ui.messages import EditRun, RelaunchRun
from cockpit.ui.widgets.outcome_card import RELAUNCH_KEYS

if TYPE_CHECKING:
    from cockpit.ui.runs.session import RunSession

RETRY_BINDINGS: list[BindingType] = [
    *(
        Binding(key, f"relaunch({at})", f"relaunch {key}", id=f"live.relaunch_{key}",
                tooltip="Launch it again with settings that need less memory, as the card says", show=False)
        for at, key in enumerate(RELAUNCH_KEYS)
    ),
    Binding("o", "engine_log", "engine log", id="live.engine_log", tooltip="Read what the engine has written",
            show=False),
    Binding("e", "retry", "edit", id="live.retry", tooltip="Edit its recipe, at the field that is to blame, and retry"),
]  # fmt: skip
"""For the screen itself: of two classes, one alone can have bindings for a key."""
ENDED_BADLY = ("failed", "out_of_memory", "lost")


class RunRetries(Screen[None]):
    """A screen of one run."""

    session: RunSession

    def can_retry(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Whether this makes sense as things stand."""
        session = self.session
        if not session.takes_commands or session.status not in ENDED_BADLY:
            return False
        return action == "retry" or (bool(parameters) and parameters[0] in range(len(self._relaunches)))

    @property
    def _relaunches(self) -> tuple[object, ...]:
        ended = self.session.state.ended
        return ended.relaunches[: len(RELAUNCH_KEYS)] if ended is not None else ()

    def action_relaunch(self, index: int) -> None:
        """Launch it again, in the way of this number."""
        ended = self.session.state.ended
        if ended is not None and index < len(ended.relaunches):
            relaunch = ended.relaunches[index]
            self.post_message(RelaunchRun(self.session.link.run, self._recipe_name, relaunch))

    def action_retry(self) -> None:
        """Edit its recipe."""
        ended, refused = self.session.state.ended, self.session.refused_start
        told = f"{ended.reason} {ended.advice}" if ended is not None else refused.text if refused is not None else ""
        self.post_message(EditRun(self.session.link.run, self._recipe_name, told))

    def action_engine_log(self) -> None:
        """Read what the engine has written."""
        from cockpit.ui.screens.engine_log import EngineLogScreen

        ended = self.session.state.ended
        self.app.push_screen(EngineLogScreen(self.session.link.run, (ended.rank if ended is not None else None) or 0))

    @property
    def _recipe_name(self) -> str:
        return self.session.state.run.recipe_name if self.session.state.run is not None else ""
