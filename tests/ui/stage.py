"""A stage for the screens of a run: an app that shows one screen, a session on a link that the test feeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

import cockpit.ui
from cockpit.protocol import events as ev
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import RunDir
from cockpit.runs.link import Link, RunLink
from cockpit.settings import Price
from cockpit.ui.runs.session import RunSession
from cockpit.ui.themes import DARK, THEMES, meanings
from cockpit.ui.typed_ahead import TypedAhead
from tests.recording import RECIPE
from tests.ui.engines import FakeLink

NOW = 1_763_682_600.0
"""The present in these tests: a minute after the recorded runs began."""


class Stage(TypedAhead):
    """As CockpitApp, but with nothing around the screen; `asked` is what the screen wanted of the app."""

    CSS_PATH = str(Path(cockpit.ui.__file__).parent / "app.tcss")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-huge")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]

    def __init__(self, make: Callable[[], Screen[None]] | None = None, widgets: Sequence[Widget] = ()) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK.name
        self.asked: list[str] = []
        self.said: list[str] = []
        self.price: Price | None = None
        self._make, self._widgets = make, widgets

    def compose(self) -> ComposeResult:
        """Widgets that are shown alone."""
        yield from self._widgets

    def on_mount(self) -> None:
        """Show the screen."""
        if self._make is not None:
            self.push_screen(self._make())

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """As CockpitApp."""
        return meanings(self.current_theme)

    def show_chat(self, session: RunSession, *, by_itself: bool = False) -> None:
        """Note it down."""
        self.asked.append("chat")

    def show_recipes(self) -> None:
        """Note it down."""
        self.asked.append("recipes")

    def set_terminal_title(self, title: str) -> None:
        """Note the last one down."""
        self.terminal_title = title

    def notify(self, message: str, *, markup: bool = True, **options: object) -> None:
        """Note it down; what others wrote must not be read as markup."""
        assert not markup
        self.said.append(message)


def session_of(
    link: Link, *, now: float = NOW, clock: Callable[[], float] | None = None, recipe: str = RECIPE
) -> RunSession:
    """A session that looks at its engine with each poll. Its clock stands still at `now`, unless `clock` is given."""
    document = RecipeDocument.parse(recipe, "recipe.yaml")
    return RunSession(link, document.recipe(), document, clock=clock or (lambda: now), look_at_engine_every_s=0.0)


def recorded(run: RunDir) -> list[ev.AnyEvent]:
    """All events of a recorded run, in the order of time."""
    link, events = RunLink(run), []
    while batch := link.poll():
        events += batch
    link.close()
    return sorted(events, key=lambda event: event.at)


def fed(run: RunDir) -> FakeLink:
    """A link that holds all events of a recorded run, its engine alive."""
    link = FakeLink(run)
    link.events = recorded(run)
    return link
