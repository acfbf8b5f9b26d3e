"""Which module makes the trainer of a method: the one beside this that has its name"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cockpit.engine.data.prepare import PreparedData
from cockpit.engine.model.loading import Loaded
from cockpit.recipe.recipe import Recipe


def make_trainer(recipe: Recipe, loaded: Loaded, data: PreparedData, settings: dict[str, Any]) -> Any:
    """The RunTrainer of the recipe's method, by `make_trainer` of that module; `settings` are those of `arguments`.
    Raises RunFailure."""
    return import_module(f"{__package__}.{recipe.method}").make_trainer(recipe, loaded, data, settings)
