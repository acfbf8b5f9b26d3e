"""Whether the adapter that a recipe goes on training is there, and goes with the recipe"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from cockpit.recipe.recipe import Recipe
from cockpit.recipe.section import Conflict
from cockpit.runs.starting_adapter import NAME, StartingAdapter, with_starting_adapter


def of_adapter(recipe: Recipe) -> Iterator[Conflict]:
    """What is wrong with model.adapter."""
    if recipe.model.adapter is None:
        return
    try:
        found = StartingAdapter.named(recipe.model.adapter)
        wrong = list(found.conflicts(recipe))
        if not wrong:
            with_starting_adapter(recipe)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        yield Conflict(NAME, f"its {field} is one that no recipe can have ({first['msg']})", "give another adapter")
    except (ValueError, OSError) as error:
        yield Conflict(NAME, str(error), "give the folder of an adapter, or a run as RUN or RUN@STEP")
    else:
        yield from wrong


def going_on(recipe: Recipe) -> Recipe:
    """The recipe with what it takes over from its adapter; as it is where that cannot be told."""
    try:
        return with_starting_adapter(recipe)
    except (ValueError, OSError):
        return recipe
