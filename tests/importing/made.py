"""A file of another tool, imported"""

from pathlib import Path
from typing import Any

from cockpit.importing.importer import Imported, import_file
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.field_path import dotted
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schema import leaves


def imported(folder: Path, name: str, text: str) -> Imported:
    """Of a file with this name and text."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return import_file(path, name)


def recipe_of(made: Imported) -> Recipe:
    """The recipe, read from its text as anyone would read it."""
    return RecipeDocument.parse(made.text, "imported.yaml").recipe()


def fields(recipe: Recipe) -> dict[str, Any]:
    """Every field and its value, dotted."""
    return {dotted(path): value for path, value in leaves(recipe)}


def lost(made: Imported) -> dict[str, str]:
    """What is not carried over, and why."""
    return {one.setting.name: one.why for one in made.ledger.of("lost")}


def comments(made: Imported) -> list[str]:
    """What is kept as a comment."""
    return [one.setting.name for one in made.ledger.of("comment")]
