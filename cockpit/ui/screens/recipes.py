"""The start: recipes to choose from and what the chosen one does, runs to go back to and what each came to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Input, OptionList

from cockpit.ui.editing.recipe_shelf import RecipeShelf
from cockpit.ui.messages import EditRecipe, OpenRun, QueueRecipe, ShowQueue, StartRun, WarmFor
from cockpit.ui.screens.recipe_side import RecipeSide
from cockpit.ui.screens.run_side import RunSide
from cockpit.ui.widgets.filter_field import FilterField
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.marked_list import MarkedList
from cockpit.ui.widgets.recipe_list import RecipeList
from cockpit.ui.widgets.run_list import RunList
from cockpit.ui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from cockpit.machine.gpu import GpuReport
    from cockpit.recipe.library import LibraryEntry
    from cockpit.ui.runs.run_shelf import RunShelf
    from cockpit.ui.widgets.top_line import EngineStatus

LOOK_AT_RUNS_EVERY_S = 2.0
LOOK_ON_AFTER_S = 0.03
"""Between two parts of a search through many runs."""


class RecipesScreen(Screen[None]):
    """Enter starts the marked recipe; Enter on a run opens it."""

    CSS_PATH = "recipes.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (76, "-narrow"), (100, "-wide"), (160, "-huge")]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (18, "-low"), (32, "-tall")]
    HELP = (
        "Pick a recipe and press Enter: it is checked, given to the engine that has been warming up, and trains.\n"
        "Press e to change it first: model, rank, data, training. Your own data file comes in by n, or in the editor.\n"
        "Tab goes to the runs, each with a card of what it came to."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "edit", id="recipes.edit", tooltip="Change the marked recipe before training"),
        Binding("n", "new", "new from file", id="recipes.new",
                tooltip="Open a recipe file, or train the marked recipe on a data file of your own"),
        Binding("a", "queue", "to the queue", id="recipes.queue", show=False,
                tooltip="Put the marked recipe into the queue"),
        Binding("u", "show_queue", "queue", id="recipes.show_queue", tooltip="Show what waits for its turn"),
        Binding("slash", "filter", "filter", id="recipes.filter", key_display="/",
                tooltip="Only the recipes and runs that some words are said of"),
        Binding("escape", "show_all", "show all", id="recipes.show_all", tooltip="End the filter"),
    ]  # fmt: skip

    def __init__(self, recipe: str | None = None, *, is_covered: bool = False) -> None:
        """`recipe` is selected at first where it is in the library; else the first that can be used. `is_covered`:
        another screen opens at once, and nothing is shown before `begin`."""
        super().__init__(classes="-covered" if is_covered else None)
        self._wanted = recipe
        self._recipes = RecipeShelf()
        self._runs: RunShelf | None = None
        self._status: EngineStatus | None = None
        self.is_filled = False
        """Whether the recipes have been read; before that only their names stand there."""
        self._asked_early: Callable[[], None] | None = None
        self._has_begun = False

    @property
    def is_opening(self) -> bool:
        """Whether what is typed is meant for the screen that is about to open."""
        return self.has_class("-covered")

    def compose(self) -> ComposeResult:
        """The frame; what costs time to find comes after the first paint."""
        yield TopLine("recipes")
        yield FilterField(id="filter")
        with Container(id="deck"):
            with Container(id="lists"):
                yield RecipeList(id="recipe-list", classes="pane")
                yield RunList(id="run-list", classes="pane")
            with Container(id="sides"):
                yield RecipeSide(id="recipe-side")
                yield RunSide(id="run-side")
        yield KeyBar()

    # Filling

    def on_mount(self) -> None:
        """The names at once; their contents once the first frame is out."""
        self._list_recipes()
        self.watch(self.app, "engine_status", self._show_status, init=False)
        self.query_one(RecipeList).focus()
        if not self.is_opening:
            self.begin()

    def begin(self) -> None:
        """Read recipes and runs, once, and show them."""
        if not self._has_begun:
            self._has_begun = True
            self.remove_class("-covered")
            self.call_after_refresh(self._fill)

    def on_screen_resume(self) -> None:
        """Recipes may have been saved and runs ended meanwhile."""
        if self.is_filled:
            self._list_recipes(read=True)
            self._read_runs()
            self._show_chosen()

    def mark(self, path: Path) -> None:
        """Mark the recipe in this file, once it is in the list; a filter that hides it ends."""
        self._wanted = str(path)
        field = self.query_one(FilterField)
        if field.words and str(path) not in self.query_one(RecipeList).row_ids():
            field.action_close()
        if self.is_filled:
            self._list_recipes(read=True)
            self._show_chosen()

    async def _fill(self) -> None:
        from cockpit.ui.preload import import_for_editing

        await import_for_editing()
        from cockpit.ui.runs.run_shelf import RunShelf

        self._runs = RunShelf()
        await self.query_one(RecipeSide).prepare()
        await self.query_one(RunSide).prepare(self._runs)
        for entry in list(self._recipes.entries.values()):
            _ = entry.problems  # read one by one, so that no frame waits for all
            await asyncio.sleep(0)
        self._wanted = self._wanted or self._recipes.first_sound()
        self._list_recipes(read=True)
        self.is_filled = True
        await asyncio.sleep(0)
        self._show_chosen()
        self.run_worker(self._recipes.read_ahead(), group="ahead")
        await asyncio.sleep(0)
        self._read_runs()
        if self._asked_early is not None:
            self._asked_early()
        self.set_interval(LOOK_AT_RUNS_EVERY_S, self._read_runs)

    def _list_recipes(self, *, read: bool = False) -> None:
        self._recipes.look()
        words, listed = self.query_one(FilterField).words, self.query_one(RecipeList)
        rows = self._recipes.rows(words, read=read)
        listed.set_rows(rows, of=len(self._recipes.entries) if words else None)
        keys = [row.key for row in rows]
        wanted = self._recipes.key_of(self._wanted) if self._wanted is not None else None
        if wanted in keys:
            listed.highlighted = keys.index(wanted)
        if read:
            self._wanted = None

    def _read_runs(self) -> None:
        if self._runs is None or self._is_covered() or not self.display:  # or it is being removed
            return
        words = self.query_one(FilterField).words
        self._runs.look(words)
        from cockpit.ui.runs.run_shelf import ORDERS

        order = self._runs.order if self._runs.order != ORDERS[0] else ""
        self.query_one(RunList).set_rows(self._runs.rows, self._runs.labels, is_filtered=bool(words), order=order)
        self.query_one(RunList).set_class(not self._runs.rows and not words, "-empty")
        self._show_run()
        if not self._runs.is_whole:
            self.set_timer(LOOK_ON_AFTER_S, self._read_runs)

    def _is_covered(self) -> bool:
        """Whether another place is shown; Textual counts the screen under the topmost one as seen, too."""
        places = [screen for screen in self.app.screen_stack if not screen.is_modal]
        return not places or places[-1] is not self

    # The filter

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what there is."""
        field = self.query_one(FilterField)
        if action == "show_all":
            return bool(field.words)
        return not field.has_focus if action == "filter" else True

    def action_filter(self) -> None:
        """Type words."""
        self.query_one(FilterField).open()

    def action_show_all(self) -> None:
        """End the filter."""
        self.query_one(FilterField).action_close()

    @on(Input.Changed, "#filter")
    def _on_filter(self, event: Input.Changed) -> None:
        event.stop()
        self._filter()

    @on(Input.Submitted, "#filter")
    def _on_filter_done(self, event: Input.Submitted) -> None:
        event.stop()
        lists: list[MarkedList] = [self._list(), self.query_one(RecipeList), self.query_one(RunList)]
        next((listed for listed in lists if listed.row_ids()), lists[0]).focus()

    @on(FilterField.Closed)
    def _on_filter_closed(self) -> None:
        self._list().focus()
        self._filter()

    def _filter(self) -> None:
        self._list_recipes(read=self.is_filled)
        self._read_runs()
        if self.is_filled:
            self._show_chosen()
        self.refresh_bindings()

    def _list(self) -> MarkedList:
        """The list that was used last."""
        return self.query_one(RunList) if self.has_class("-runs") else self.query_one(RecipeList)

    @on(events.DescendantFocus)
    def _on_list_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, MarkedList):
            self.set_class(isinstance(event.widget, RunList), "-runs")
            self._show_run()

    # The chosen recipe

    @on(OptionList.OptionHighlighted, "#recipe-list")
    def _on_highlighted(self) -> None:
        if self.is_filled:
            self._show_chosen()

    def _show_status(self, status: EngineStatus) -> None:
        known = self._status
        self._status = status
        self.query_one(TopLine).set_status(status)
        if self.is_filled and (known is None or known.report is not status.report):
            self._show_chosen()

    def _chosen(self) -> LibraryEntry | None:
        option = self.query_one(RecipeList).highlighted_option
        return self._recipes.entries.get(option.id or "") if option is not None else None

    def _show_chosen(self) -> None:
        report = self._status.report if self._status else None
        side, is_filtered = self.query_one(RecipeSide), bool(self.query_one(FilterField).words)
        recipe = side.show(self._chosen(), report, is_filtered=is_filtered)
        if recipe is not None:
            self.post_message(WarmFor(recipe))
        if report is not None and report.gpus and not self._is_covered():
            self.run_worker(self._judge(report), group="judge", exclusive=True)

    async def _judge(self, report: GpuReport) -> None:
        forecaster = self.query_one(RecipeSide).forecaster
        if forecaster is not None and await self._recipes.judge(forecaster, report):
            self._list_recipes(read=True)

    # The chosen run

    @on(OptionList.OptionHighlighted, "#run-list")
    def _show_run(self) -> None:
        if self._runs is not None and (self.has_class("-runs") or self.has_class("-huge")):  # else it is not in sight
            is_filtered = bool(self.query_one(FilterField).words)
            self.query_one(RunSide).show(self.query_one(RunList).marked, is_filtered=is_filtered)

    @on(RunList.OrderAsked)
    def _on_order_asked(self) -> None:
        if self._runs is not None:
            self._runs.next_order()
            self._read_runs()

    def on_resize(self) -> None:
        """There may be room for the run's side now."""
        self.call_after_refresh(self._show_run)

    # Keys

    @on(OptionList.OptionSelected, "#recipe-list")
    def _on_recipe_selected(self) -> None:
        self.action_start()

    @on(OptionList.OptionSelected, "#run-list")
    def _on_run_selected(self, event: OptionList.OptionSelected) -> None:
        known = self._runs.find(event.option_id or "") if self._runs is not None else None
        if known is not None:
            if known.damage:
                self.notify(known.damage, title="This run is damaged.", severity="warning", markup=False)
            self.post_message(OpenRun(known.run))

    def action_start(self) -> None:
        """Train the marked recipe; a key that comes before it has been read waits for that."""
        if not self.is_filled:
            self._asked_early = self.action_start
            return
        entry = self._chosen()
        if entry is not None and entry.document is not None and not entry.problems:
            self.post_message(StartRun(entry.document.copy()))

    def action_edit(self) -> None:
        """Open the editor on the marked recipe; a key that comes before it has been read waits for that."""
        if not self.is_filled:
            self._asked_early = self.action_edit
            return
        entry = self._chosen()
        if entry is None or entry.document is None:
            return  # the card says why
        self.post_message(EditRecipe(entry.document.copy()))

    def action_queue(self) -> None:
        """Put the marked recipe into the queue."""
        entry = self._chosen()
        if entry is not None and entry.document is not None and not entry.problems:
            self.post_message(QueueRecipe(entry.document.copy()))

    def action_show_queue(self) -> None:
        """Show what waits."""
        self.post_message(ShowQueue())

    def action_new(self) -> None:
        """Ask for a file."""
        from cockpit.ui.screens.path_dialog import PathDialog

        self.app.push_screen(PathDialog(), self._open_file)

    def _open_file(self, path: str | None) -> None:
        if not path:
            return
        from cockpit.recipe.problem import RecipeError
        from cockpit.ui.editing.new_recipe import document_of

        try:
            document = document_of(path, self._chosen())
        except RecipeError as error:
            self.notify("\n".join(str(problem) for problem in error.problems), severity="error", markup=False)
        except ValueError as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            self.post_message(EditRecipe(document))


def mark_saved(screens: Iterable[Screen[Any]], path: Path | None) -> None:
    """Mark the recipe that was saved, if one was, where recipes are listed."""
    for screen in screens:
        if path is not None and isinstance(screen, RecipesScreen):
            screen.mark(path)
