"""What comes of a file that the person names: a recipe that stands in it, or one that trains on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.library import LibraryEntry


def document_of(path: str, marked: LibraryEntry | None) -> RecipeDocument:
    """The recipe in a YAML file; else the `marked` one, with the file as its data.

    Raises RecipeError, and ValueError with a sentence where the marked one cannot be used.
    """
    from cockpit.recipe.document import RecipeDocument

    if path.endswith((".yaml", ".yml")):
        return RecipeDocument.load(Path(path).expanduser())
    if marked is None:
        raise ValueError("No recipe is marked that could train on it.")
    if marked.document is None or marked.problems:
        first = str(marked.problems[0]) if marked.problems else ""
        raise ValueError(f"This recipe cannot be used: {first}")
    document = marked.document.copy()
    document.use_data(Path(path).expanduser())
    return document
