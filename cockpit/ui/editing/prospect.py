"""Prospect: what a draft would do on this machine: its plan, its forecast, and what stands in the way of a start"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cockpit.preflight.outlook import Forecaster
from cockpit.preflight.plan import Planner
from cockpit.preflight.room import trains_on
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.machine.gpu import GpuReport
    from cockpit.preflight.outlook import Outlook
    from cockpit.preflight.plan import Plan
    from cockpit.recipe.recipe import Recipe
    from cockpit.ui.editing.draft import Draft


class View(NamedTuple):
    """All of it is None while something is wrong with the recipe."""

    recipe: Recipe | None
    plan: Plan | None = None
    outlook: Outlook | None = None


class Prospect:
    """Looks at the draft as it stands whenever it is asked; what was read of files is kept."""

    def __init__(self, draft: Draft) -> None:
        self.report: GpuReport | None = None
        """Of the driver; None until it has answered."""
        self.obstacles: dict[str, str] = {}
        """What the plan found in the way of a start here, a sentence for each field of the form that is to blame."""
        self._draft = draft
        self._planner = Planner()
        self._forecaster = Forecaster()

    def learn(self) -> None:
        """Take in what runs here have taken. It reads files: not for the thread that draws."""
        self._forecaster.learn()

    def read(self, recipe: Recipe) -> None:
        """Look at the files that a recipe names, such as weights whose headers are read; nor is this for the thread
        that draws. What is found is kept, so that a look afterwards reads nothing."""
        self._planner.plan(recipe, self.report, self._draft.document.name)

    def look(self) -> View:
        """The recipe with what it comes to here. Obstacles are those of this look, where the recipe is sound."""
        recipe = self._draft.recipe()
        if recipe is None:
            return View(None)
        plan = self._planner.plan(recipe, self.report, self._draft.document.name)
        found: dict[str, str] = {}
        for problem in plan.problems:
            path = self._draft.field_at(problem.field)
            if path is not None:
                sentence = "; ".join(filter(None, (problem.wrong, problem.right)))
                found.setdefault(path, plain_line(sentence))
        self.obstacles = found
        return View(recipe, plan, self._forecaster.outlook(recipe, self.report, plan.total_steps))

    def largest_batch(self) -> tuple[int, int]:
        """Rows of the largest micro-batch that fits, and how many of them make a step of as many rows as now. Raises
        ValueError with a sentence where that cannot be told."""
        recipe = self._draft.recipe()
        if recipe is None:
            raise ValueError("The largest micro-batch cannot be told: something is wrong with the recipe.")
        if self.report is None or not trains_on(recipe, self.report):
            raise ValueError("The largest micro-batch cannot be told: no GPU is known here that it would take.")
        found = self._forecaster.largest_batch(recipe, self.report)
        if found is None:
            raise ValueError("No micro-batch fits, not even of one row, or the model's shape is not known.")
        return found
