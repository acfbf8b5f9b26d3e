"""Why a setting is as it is: the comments that stand in the recipe, and what fitting has changed"""

from __future__ import annotations

import re

from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.field_path import dotted
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schema import all_places

LONGEST = 110
_key = re.compile(r"^\s*(?:- )?[\w]+:")


def reasons_in(document: RecipeDocument) -> dict[str, str]:
    """By field, dotted: the comment that stands above it in the recipe's text, or behind it on its line."""
    lines = document.to_yaml().split("\n")
    found: dict[str, str] = {}
    for place in all_places():
        line = document.line(dotted(place.path))
        if line is None or not _key.match(lines[line - 1]) or not _is_of(lines[line - 1], str(place.path[-1])):
            continue
        above: list[str] = []
        at = line - 2
        while at >= 0 and (text := lines[at].strip()).startswith("#") and not text.startswith("# yaml-language-server"):
            above.insert(0, text.lstrip("# "))
            at -= 1
        behind = lines[line - 1].partition("  #")[2].strip()
        if reason := " ".join([*above, *([behind] if behind else [])]):
            found[dotted(place.path)] = reason
    return found


def fitted(recipe: Recipe, written: Recipe) -> dict[str, str]:
    """By field: that it was fitted to the machine, and what the recipe says."""
    found: dict[str, str] = {}
    for name in type(recipe.training).model_fields:
        here, before = getattr(recipe.training, name), getattr(written.training, name)
        if here != before and name != "fit":
            found[f"training.{name}"] = f"fitted to the GPU of the run, for the same rows a step; written: {before}"
    return found


def _is_of(line: str, name: str) -> bool:
    return line.strip().removeprefix("- ").startswith(f"{name}:")
