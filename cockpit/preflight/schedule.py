"""Whether the learning rate's schedule fits into the steps that the run will have, as far as these are known"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.data.inputs import Inputs
from cockpit.recipe.learning_rates import why_no_room
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schedule import planned_steps, training_rows
from cockpit.recipe.section import Conflict


def of_schedule(recipe: Recipe, inputs: Inputs) -> Iterator[Conflict]:
    """A warm-up or decay that is longer than the run."""
    form = inputs.sources[0].form
    total = planned_steps(recipe, training_rows(recipe, form.rows if form is not None else None))
    if total and (wrong := why_no_room(recipe.training, total)):
        yield Conflict("training.lr_scheduler_type", wrong, "give fewer steps of warm-up or decay, or more epochs")
