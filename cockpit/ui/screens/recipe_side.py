"""RecipeSide: what the marked recipe would do here, as a card, and its learning rate as a chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content

from cockpit.ui.widgets.card import Card, CardText

if TYPE_CHECKING:
    from cockpit.machine.gpu import GpuReport
    from cockpit.preflight.outlook import Forecaster, Outlook
    from cockpit.preflight.plan import Plan, Planner
    from cockpit.recipe.library import LibraryEntry
    from cockpit.recipe.recipe import Recipe
    from cockpit.ui.widgets.schedule_chart import ScheduleChart

HELP = "The marked recipe: what it trains, with what, and what would stop it on this machine."
NONE_HERE = CardText("There is no recipe here.", "Put a YAML file into your recipe folder, or press n.")
NONE_FOUND = CardText("No recipe has all these words.", "Escape shows all again.")


class RecipeSide(Container):
    """`show` takes an entry of the library, once `prepare` is done."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._planner: Planner | None = None
        self.forecaster: Forecaster | None = None
        """There once it is prepared."""
        self._chart: ScheduleChart | None = None

    def compose(self) -> ComposeResult:
        """The card; the chart comes later, as its import takes time."""
        yield Card(HELP, id="card", classes="pane")

    async def prepare(self) -> None:
        """Import and mount what the first frame did without."""
        from cockpit.preflight.outlook import Forecaster
        from cockpit.preflight.plan import Planner
        from cockpit.ui.widgets.schedule_chart import ScheduleChart

        self.forecaster = Forecaster()
        self._planner, self._chart = Planner(), ScheduleChart(id="plan", classes="pane")
        await self.mount(self._chart)

    def show(self, entry: LibraryEntry | None, report: GpuReport | None, *, is_filtered: bool = False) -> Recipe | None:
        """Draw it, planned for the machine of `report`; the recipe, where it is one that can be used."""
        card = self.query_one(Card)
        if entry is None:
            card.border_title = Content("no recipe")
            card.show(NONE_FOUND if is_filtered else NONE_HERE)
            self._draw(None, None)
            return None
        card.border_title = Content(entry.name)
        if entry.document is None or entry.problems:
            problems = [str(problem) for problem in entry.problems]
            card.show(CardText("This recipe cannot be used as it stands.", problems=problems))
            self._draw(None, None)
            return None
        recipe = entry.document.recipe()
        assert self._planner is not None and self.forecaster is not None
        plan = self._planner.plan(recipe, report, str(entry.path))
        self._draw(recipe, plan, self.forecaster.outlook(recipe, report, plan.total_steps))
        return recipe

    def _draw(self, recipe: Recipe | None, plan: Plan | None, outlook: Outlook | None = None) -> None:
        from cockpit.ui.widgets.recipe_card import card_of_recipe
        from cockpit.ui.widgets.schedule_chart import schedule_title

        chart = self._chart
        if recipe is not None:
            self.query_one(Card).show(card_of_recipe(recipe, plan, outlook))
        if chart is None:
            return
        chart.set_class(plan is not None and bool(plan.rates), "-known")
        if recipe is not None and plan is not None:
            kind, known = recipe.training.lr_scheduler_type, len(plan.rates)
            chart.border_title = Content(schedule_title(kind, plan.warmup_steps, known, plan.total_steps))
            chart.set_plan(plan.rates, total_steps=plan.total_steps)
