"""WatchedSession: a run that cockpit did not start, on the screen of those that it did"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from cockpit.recipe.document import RecipeDocument
from cockpit.runs.link import Link
from cockpit.runs.status import State
from cockpit.ui.runs.session import RunSession

if TYPE_CHECKING:
    from cockpit.watching.link import WatchLink

NO_RECIPE = """schema: 1
method: sft
about: {title: Not known, description: A run that cockpit did not start., needs: "?", duration: "?"}
model: {name_or_path: unknown}
data: {sources: [{name_or_path: unknown}]}
"""
"""Nothing of it is shown: what is trained there is told by the link's facts."""


class WatchedSession(RunSession):
    """It is looked at, and asked for nothing."""

    def __init__(self, link: WatchLink, *, clock: Callable[[], float] | None = None) -> None:
        document = RecipeDocument.parse(NO_RECIPE, "unknown.yaml")
        super().__init__(cast("Link", link), document.recipe(), document, clock=clock)
        self._watched = link

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What is known of it, by label."""
        return self._watched.facts()

    @property
    def takes_commands(self) -> bool:
        """Never."""
        return False

    @property
    def status(self) -> State:
        """As its files tell: it runs as long as something is written to them."""
        if self.state.ended is not None:
            return self.state.ended.outcome
        return "silent" if self.liveness == "silent" else "running"
