"""CockpitApp: global keys, which screen is showing, and the clock that runs, engines and queue are looked at by"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.reactive import reactive
from textual.screen import Screen

from cockpit.ui import garbage
from cockpit.ui.messages import EditRecipe, OpenRun
from cockpit.ui.requests import RequestsApp
from cockpit.ui.runs.engines import Engines, Probe
from cockpit.ui.runs.new_runs import NewRuns
from cockpit.ui.runs.past_runs import PastRuns
from cockpit.ui.runs.retries import Retries
from cockpit.ui.screens.recipes import RecipesScreen, mark_saved
from cockpit.ui.widgets.top_line import EngineStatus

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.library import LibraryEntry
    from cockpit.remote.desk import Desk
    from cockpit.runs.folder import RunDir
    from cockpit.settings import Price
    from cockpit.ui.runs.far_runs import FarRuns
    from cockpit.ui.runs.session import RunSession
    from cockpit.watching.link import WatchLink

CSS_DIR = Path(__file__).parent
POLL_EVERY_S = 0.1
SETTLED_AFTER_S = 3.0
"""By then what the first screens need is imported."""
LOOK_EVERY = 10
"""Polls between two looks at whether the terminal is still there, and at a run that no screen shows."""


class CockpitApp(RequestsApp):
    """The app. `open_run` is shown at once where given; `recipe` names the one selected at first."""

    TITLE = "cockpit"
    CSS_PATH: ClassVar[list[str | PurePath]] = [CSS_DIR / "app.tcss", CSS_DIR / "screens" / "recipes.tcss"]
    """The first screen's too: Textual reads those of later screens when they are pushed. Absolute, for subclasses."""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-huge")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "help", id="app.help", tooltip="Help for this place and its keys", key_display="F1"),
        Binding("question_mark", "help", "help", id="app.help_letter", tooltip="Help for this place and its keys",
                show=False),
        Binding("f2", "toggle_theme", "light/dark", id="app.theme", tooltip="The other theme",
                show=False, key_display="F2"),
        Binding("q", "quit", "quit", id="app.quit", tooltip="Leave; a run that is going can go on without the app"),
        Binding("ctrl+q", "quit", "quit", id="app.quit_anywhere", tooltip="Leave, also from within a field", show=False,
                priority=True),
    ]  # fmt: skip

    engine_status: reactive[EngineStatus] = reactive(EngineStatus, init=False)
    """What is known of the standby engine and of the machine."""

    def __init__(
        self,
        open_run: RunDir | None = None,
        recipe: str | None = None,
        *,
        replay_speed: float | None = None,
        watched: WatchLink | None = None,
        desk: Desk | None = None,
        engines: Engines | None = None,
        probe: Probe | None = None,
    ) -> None:
        """`engines` and `probe` stand in for cockpit.launch.engines and the GPU driver in tests."""
        super().__init__()
        self._open_first = open_run
        self._watch_first = watched
        """A run that cockpit did not start."""
        self._replay_speed = replay_speed
        """How many times as fast the first run is played as it went; None where it is shown as it is."""
        self._recipe_first = recipe
        self.engines = engines
        self._far: FarRuns | None = None
        """Where the runs that are shown are those of other machines."""
        self._new: NewRuns | FarRuns = NewRuns(self)
        self._past: PastRuns | FarRuns = PastRuns(self)
        if desk is not None:
            from cockpit.ui.runs.far_runs import FarRuns

            self._new = self._past = self._far = FarRuns(self, desk)
            probe = self._far
        self._retries = Retries(self, self._past, self._new)
        self._probe = probe
        self._polls = 0
        self._calls = True
        """Whether the terminal is asked to call."""
        self.price: Price | None = None
        """Of a GPU-hour, where the user has set one."""

    def get_default_screen(self) -> Screen[Any]:
        """The recipes, always at the bottom of the stack."""
        return RecipesScreen(self._recipe_first, is_covered=self._opens)

    def on_mount(self) -> None:
        """Begin to poll once the first frame is out."""
        self._answer_signals()
        self.remember_themes()
        self.call_after_refresh(self._begin)

    @property
    def _opens(self) -> bool:
        """Whether a run is shown at once."""
        return self._open_first is not None or self._watch_first is not None

    async def _begin(self) -> None:
        from cockpit.ui.preload import import_for_editing, import_for_watching

        self._read_settings()
        if self._opens:
            await import_for_watching()
        if self._watch_first is not None and not self._exit:
            from cockpit.ui.runs.watched import WatchedSession

            self.show_live(WatchedSession(self._watch_first))
        elif self._open_first is not None:
            if not self._exit and self._replay_speed is not None:
                self._replay(self._open_first, self._replay_speed)
            elif not self._exit:
                self.open_run(self._open_first)
        await import_for_editing()
        if self._exit:
            return
        from cockpit.ui.runs.standby import Standby

        if self.engines is None:
            from cockpit.launch import engines

            self.engines = cast(Engines, engines)
        from cockpit.machine.gpu import GpuProbe

        probe = self._probe
        self.standby = Standby(self.engines, GpuProbe if probe is None else lambda: probe)
        if self._far is None:
            from cockpit.ui.runs.queue_worker import QueueWorker

            self._queue = QueueWorker()
        self.set_interval(POLL_EVERY_S, self._poll)
        if not self.is_headless:
            self.set_timer(SETTLED_AFTER_S, garbage.settle)
            self.set_interval(garbage.COLLECT_EVERY_S, lambda: garbage.collect(time.monotonic() - self.typed_at))
        if not self._opens:
            self.set_terminal_title("cockpit")
        for screen in self.screen_stack:
            if isinstance(screen, RecipesScreen):
                screen.begin()

    def _call(self, session: RunSession) -> None:
        """Let the terminal call whoever has another window before their eyes."""
        call = getattr(self._driver, "call", None)
        if call is not None and self._calls:
            for told in session.calls:
                call(told.title, told.body)
        session.calls.clear()

    def _read_settings(self) -> None:
        from cockpit.settings import Settings

        try:
            settings = Settings.read()
            self.price, self._calls = settings.gpu_hour, settings.terminal_notify
        except ValueError as error:
            self.notify(str(error), severity="error", markup=False)

    def _poll(self) -> None:
        self._polls += 1
        if self._polls % LOOK_EVERY == 0 and getattr(self._driver, "is_lost", False):
            self._leave(return_code=128 + signal.SIGHUP)
            return
        assert self.standby is not None
        if self._polls % LOOK_EVERY == 0 and self._is_at_recipes() and self.run_is_going():
            # A run that is over is not looked at: its lease would keep the model loaded for as long as the app is open.
            assert self.session is not None
            self.session.poll()
        if self.session is not None and self.session.calls:
            self._call(self.session)
        if self._polls % LOOK_EVERY == 0 and self.session is not None:
            self._past.take_up_lost(self.session)
        if self.session is not None and self.session.is_engine_ours and self.session.refused_start is not None:
            self.standby.end_refusing()
        status = self.standby.tick(may_start=self._wants_standby(), is_shown=self._is_at_recipes())
        self.engine_status = status if self._far is None else replace(status, hosts=self._far.hosts())
        if self._queue is not None:
            self._queue.tick()
        self._past.tick()
        self._new.tick()

    def _wants_standby(self) -> bool:
        return self._is_at_recipes() and not self.run_is_going() and self._far is None

    def _is_at_recipes(self) -> bool:
        """Whether recipes are chosen or edited, dialogs over them left out of account."""
        places = [screen for screen in self.screen_stack if not screen.is_modal]
        return bool(places) and is_recipe_place(places[-1])

    # Runs

    @on(OpenRun)
    def _on_open_run(self, message: OpenRun) -> None:
        self.open_run(message.run)

    def open_run(self, run: RunDir) -> None:
        """Show a run: as it goes on where it is live, as it ended where it is past."""
        from cockpit.runs.link import RunLink

        session = self.session
        if session is not None and session.link.run == run and self.run_is_going():
            self.show_live(session)
        else:
            opened = self._past.session(RunLink(run))
            if opened is not None:
                self.show_live(opened)

    def _replay(self, run: RunDir, speed: float) -> None:
        """Play a run as it went, on the screen that shows those which go on."""
        from cockpit.runs.link import ReplayLink

        opened = self._past.session(ReplayLink(run, speed))
        if opened is not None:
            self.show_live(opened)

    # Screens

    @on(EditRecipe)
    def _on_edit_recipe(self, message: EditRecipe) -> None:
        self.edit_recipe(message.document)

    def edit_recipe(self, document: RecipeDocument, field: str = "") -> None:
        """Open the editor on a recipe, at this field where one is named."""
        from cockpit.ui.screens.editor import EditorScreen

        self.push_screen(EditorScreen(document, field), lambda saved: mark_saved(self.screen_stack, saved))

    def show_live(self, session: RunSession) -> None:
        """Watch a run."""
        from cockpit.ui.screens.live import LiveScreen

        if self.session is not None and self.session is not session:
            self.session.link.close()
            if self.session.is_engine_ours:
                self._left.append(self.session)
        self.session = session
        self.push_screen(LiveScreen(session))

    def show_chat(self, session: RunSession, *, by_itself: bool = False) -> None:
        """Talk to what a run has trained; `by_itself` where nobody has asked for that."""
        from cockpit.ui.screens.chat import ChatScreen

        if isinstance(self.screen, ChatScreen):
            return
        engine = None
        if self._far is not None and session.chat.engine is None:
            from cockpit.ui.runs.far_runs import FarChatEngine

            engine = FarChatEngine(session, self._far)
        self.push_screen(ChatScreen(session, engine, by_itself=by_itself))

    def show_recipes(self) -> None:
        """Back to where runs are started: the recipes, or the editor with its edits where that is open."""
        while not is_recipe_place(self.screen):
            self.pop_screen()
        self.set_terminal_title("cockpit")

    def show_log(self) -> bool:
        """Bring the run's log into sight where its screen is open; whether that screen is the one on top."""
        from cockpit.ui.screens.live import LiveScreen

        for screen in self.screen_stack:
            if isinstance(screen, LiveScreen):
                screen.show_log()
        return isinstance(next(screen for screen in reversed(self.screen_stack) if not screen.is_modal), LiveScreen)

    def action_help(self) -> None:
        """Open the help of the screen and of the focused widget."""
        from cockpit.ui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The command palette: every key that works on the screen, then what has no key."""
        seen = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.id is None or not active.enabled or binding.action in seen:
                continue
            seen.add(binding.action)
            action, node = binding.action, active.node

            async def run(action: str = action, node: Any = node) -> None:
                await self.run_action(action, node)

            yield SystemCommand(binding.description.capitalize(), active.tooltip or binding.tooltip, run)
        from cockpit.ui.screens.palette import recipes_and_runs

        yield from recipes_and_runs(self._go_to_recipe, self.open_run)
        yield SystemCommand("Theme", "Choose among all themes", self.action_change_theme)
        yield SystemCommand(
            "Screenshot", "Save a picture (SVG) of this screen", lambda: self.set_timer(0.1, self.deliver_screenshot)
        )

    def _go_to_recipe(self, entry: LibraryEntry) -> None:
        """Mark it where recipes are listed; from elsewhere, where edits may be under way, open it in the editor."""
        if isinstance(self.screen, RecipesScreen):
            self.screen.mark(entry.path)
        elif entry.document is not None:
            self.post_message(EditRecipe(entry.document.copy()))
        else:
            self.notify("\n".join(map(str, entry.problems)), severity="error", markup=False)


def is_recipe_place(screen: Screen[Any]) -> bool:
    """Whether recipes are chosen or edited there, or the data of one is looked at."""
    return type(screen).__name__ in ("RecipesScreen", "EditorScreen", "DataScreen", "CompareScreen", "QueueScreen")
