"""Whether the run will have steps, and the learning rate's schedule fits into them, as far as these are known"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.data.inputs import Inputs
from cockpit.recipe.learning_rates import why_no_room
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schedule import planned_steps, trainer_rows, training_rows, why_too_few
from cockpit.recipe.section import Conflict


def of_schedule(recipe: Recipe, inputs: Inputs) -> Iterator[Conflict]:
    """A warm-up or decay that is longer than the run, and rows that fill no step."""
    form = inputs.sources[0].form
    rows = None if form is None else trainer_rows(recipe, training_rows(recipe, form.rows), form.form)
    if rows and (wrong := why_too_few(recipe, rows)):
        yield Conflict("training.per_device_train_batch_size", wrong, "give a smaller batch, or more prompts")
    total = planned_steps(recipe, rows)
    if total and (wrong := why_no_room(recipe.training, total)):
        yield Conflict("training.lr_scheduler_type", wrong, "give fewer steps of warm-up or decay, or more epochs")
