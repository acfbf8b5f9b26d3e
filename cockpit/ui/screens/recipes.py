"""The start: recipes to choose from, what the chosen one does, and runs to go back to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList

from cockpit.ui.messages import EditRecipe, OpenRun, StartRun, WarmFor
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.recipe_card import CardText, RecipeCard, card_of
from cockpit.ui.widgets.recipe_list import RecipeList, RecipeRow
from cockpit.ui.widgets.run_list import RunList
from cockpit.ui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from cockpit.preflight.plan import Planner
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.library import LibraryEntry
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.summary import RunSummary, Summaries
    from cockpit.ui.widgets.schedule_chart import ScheduleChart
    from cockpit.ui.widgets.top_line import EngineStatus

RUNS_SHOWN = 50
LOOK_AT_RUNS_EVERY_S = 2.0


class RecipesScreen(Screen[None]):
    """Enter starts the marked recipe; Enter on a run opens it."""

    CSS_PATH = "recipes.tcss"
    HELP = (
        "Pick a recipe and press Enter: it is checked, given to the engine that has been warming up, and trains.\n"
        "Press e to change it first: model, rank, data, training. Your own data file comes in by n, or in the editor."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "edit", id="recipes.edit", tooltip="Change the marked recipe before training"),
        Binding("n", "new", "new from file", id="recipes.new",
                tooltip="Open a recipe file, or train the marked recipe on a data file of your own"),
    ]  # fmt: skip

    def __init__(self, recipe: str | None = None, *, is_covered: bool = False) -> None:
        """`recipe` is selected at first where it is in the library; else the first, the demo. `is_covered`: another
        screen opens at once, and nothing is shown before `begin`."""
        super().__init__(classes="-covered" if is_covered else None)
        self._wanted = recipe
        self._entries: dict[str, LibraryEntry] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._summaries: Summaries | None = None
        self._runs: dict[str, RunSummary] = {}
        """Those in the list, by their ids."""
        self._status: EngineStatus | None = None
        self._planner: Planner | None = None
        self._has_begun = False
        self.is_filled = False
        """Whether the recipes have been read; before that only their names stand there."""
        self._asked_early: Callable[[], None] | None = None

    def compose(self) -> ComposeResult:
        """The frame; what costs time to find comes after the first paint."""
        yield TopLine("recipes")
        with Container(id="deck"):
            with Container(id="lists"):
                yield RecipeList(id="recipe-list", classes="pane")
                yield RunList(id="run-list", classes="pane")
            with Vertical(id="chosen"):
                yield RecipeCard(id="card", classes="pane")
        yield KeyBar()

    # Filling

    def on_mount(self) -> None:
        """The names at once; their contents once the first frame is out."""
        self.query_one(RecipeList).border_title = Content("recipes")
        self.query_one(RunList).border_title = Content("recent runs")
        self._list_names()
        self.query_one(RecipeList).focus()
        self.watch(self.app, "engine_status", self._show_status, init=False)
        if not self.has_class("-covered"):
            self.begin()

    @property
    def is_opening(self) -> bool:
        """Whether what is typed is meant for the screen that is about to open."""
        return self.has_class("-covered")

    def begin(self) -> None:
        """Read recipes and runs, once, and show them."""
        if not self._has_begun:
            self._has_begun = True
            self.remove_class("-covered")
            self.call_after_refresh(self._fill)

    def on_screen_resume(self) -> None:
        """Recipes may have been saved and runs ended meanwhile."""
        if self.is_filled:
            self._list_names()
            self._read_recipes()
            self._read_runs()
            self._show_chosen()

    def mark(self, path: Path) -> None:
        """Mark the recipe in this file, once it is in the list."""
        self._wanted = str(path)
        if not self.is_filled:
            return
        self._list_names()
        self._read_recipes()
        self._show_chosen()

    def _list_names(self) -> None:
        from cockpit.recipe.library import library

        found = {str(entry.path): entry for entry in library()}
        stamps = {key: _stamp(entry.path) for key, entry in found.items()}
        same = {key for key in found if key in self._entries and self._stamps[key] == stamps[key]}
        self._entries = {key: self._entries[key] if key in same else entry for key, entry in found.items()}
        self._stamps = stamps
        self._show_rows(read=False)

    def _show_rows(self, *, read: bool) -> None:
        recipes = self.query_one(RecipeList)
        recipes.set_rows([_row(entry, read or entry.is_read) for entry in self._entries.values()])
        if self._wanted is not None:
            keys = [key for key, entry in self._entries.items() if self._wanted in (entry.name, key)]
            if keys:
                recipes.highlighted = list(self._entries).index(keys[-1])
            self._wanted = None

    async def _fill(self) -> None:
        from cockpit.ui.preload import import_for_editing

        await import_for_editing()
        from cockpit.preflight.plan import Planner
        from cockpit.ui.widgets.schedule_chart import ScheduleChart

        self._planner = Planner()
        chart = ScheduleChart(id="plan", classes="pane")
        await self.query_one("#chosen").mount(chart)
        for entry in list(self._entries.values()):
            _ = entry.problems  # read one by one, so that no frame waits for all
            await asyncio.sleep(0)
        self._read_recipes()
        self.is_filled = True
        await asyncio.sleep(0)
        self._show_chosen()
        await asyncio.sleep(0)
        self._read_runs()
        if self._asked_early is not None:
            self._asked_early()
        self.set_interval(LOOK_AT_RUNS_EVERY_S, self._read_runs)

    def _read_recipes(self) -> None:
        self._show_rows(read=True)

    def _read_runs(self) -> None:
        if self._is_covered() or not self.display:  # or it is being removed
            return
        from cockpit.runs.folder import all_runs
        from cockpit.runs.summary import Summaries

        self._summaries = self._summaries or Summaries()
        rows = [self._summaries.of(run) for run in all_runs()[:RUNS_SHOWN]]
        self._runs = {row.run.id: row for row in rows}
        self.query_one(RunList).set_rows(rows)
        self.query_one(RunList).set_class(not rows, "-empty")

    def _is_covered(self) -> bool:
        """Whether another place is shown; Textual counts the screen under the topmost one as seen, too."""
        places = [screen for screen in self.app.screen_stack if not screen.is_modal]
        return not places or places[-1] is not self

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
        return self._entries.get(option.id or "") if option is not None else None

    def _show_chosen(self) -> None:
        entry = self._chosen()
        card = self.query_one(RecipeCard)
        if entry is None:
            card.border_title = Content("no recipe")
            card.show(CardText("There is no recipe here.", "Put a YAML file into your recipe folder, or press n."))
            return
        card.border_title = Content(entry.name)
        document = entry.document
        if document is None or entry.problems:
            title = "This recipe cannot be used as it stands."
            card.show(CardText(title, problems=[str(problem) for problem in entry.problems]))
            self._show_plan(None)
            return
        recipe = document.recipe()
        self._show_plan(recipe)
        self.post_message(WarmFor(recipe))

    def _show_plan(self, recipe: Recipe | None) -> None:
        charts = self.query("#plan")
        if recipe is None:
            charts.remove_class("-known")
            return
        assert self._planner is not None
        from cockpit.ui.widgets.schedule_chart import schedule_title

        entry = self._chosen()
        report = self._status.report if self._status else None
        plan = self._planner.plan(recipe, report, str(entry.path) if entry else "")
        self.query_one(RecipeCard).show(card_of(recipe, plan))
        charts.set_class(bool(plan.rates), "-known")
        for chart in charts.results():
            kind, known = recipe.training.lr_scheduler_type, len(plan.rates)
            chart.border_title = Content(schedule_title(kind, plan.warmup_steps, known, plan.total_steps))
            _as_chart(chart).set_plan(plan.rates, total_steps=plan.total_steps)

    # Keys

    @on(OptionList.OptionSelected, "#recipe-list")
    def _on_recipe_selected(self) -> None:
        self.action_start()

    @on(OptionList.OptionSelected, "#run-list")
    def _on_run_selected(self, event: OptionList.OptionSelected) -> None:
        known = self._runs.get(event.option_id or "")
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

    def action_new(self) -> None:
        """Ask for a file."""
        from cockpit.ui.screens.path_dialog import PathDialog

        self.app.push_screen(PathDialog(), self._open_file)

    def _open_file(self, path: str | None) -> None:
        if not path:
            return
        from cockpit.recipe.document import RecipeDocument
        from cockpit.recipe.problem import RecipeError

        try:
            if path.endswith((".yaml", ".yml")):
                document = RecipeDocument.load(Path(path).expanduser())
            else:
                chosen = self._sound_document()
                if chosen is None:
                    return
                document = chosen.copy()
                document.use_data(Path(path).expanduser())
        except RecipeError as error:
            self.notify("\n".join(str(problem) for problem in error.problems), severity="error", markup=False)
            return
        self.post_message(EditRecipe(document))

    def _sound_document(self) -> RecipeDocument | None:
        entry = self._chosen()
        if entry is None:
            return None
        if entry.document is None or entry.problems:
            self._say_problems(entry)
            return None
        return entry.document

    def _say_problems(self, entry: LibraryEntry) -> None:
        first = str(entry.problems[0]) if entry.problems else ""
        self.notify(f"This recipe cannot be used: {first}", severity="error", markup=False)


def mark_saved(screens: Iterable[Screen[Any]], path: Path | None) -> None:
    """Mark the recipe that was saved, if one was, where recipes are listed."""
    for screen in screens:
        if path is not None and isinstance(screen, RecipesScreen):
            screen.mark(path)


def _as_chart(widget: object) -> ScheduleChart:
    from cockpit.ui.widgets.schedule_chart import ScheduleChart

    assert isinstance(widget, ScheduleChart)
    return widget


def _row(entry: LibraryEntry, is_read: bool) -> RecipeRow:
    key, is_yours = str(entry.path), entry.origin == "yours"
    if not is_read:
        return RecipeRow(key, entry.name, is_yours=is_yours)
    if entry.document is None or entry.problems:
        return RecipeRow(key, entry.name, is_yours=is_yours, problem=str(entry.problems[0]))
    about = entry.document.recipe().about
    return RecipeRow(key, entry.name, about.needs, about.duration, is_yours)


def _stamp(path: Path) -> tuple[int, int]:
    """Changes whenever the file does."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)
