"""A file of another tool -> a recipe that passes its checks"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cockpit.importing.ledger import Ledger
from cockpit.importing.recognise import ledger_of
from cockpit.importing.settings import refused
from cockpit.importing.write import recipe_text
from cockpit.recipe.document import RecipeDocument
from cockpit.text.plain_text import plain_line

LONGEST_TITLE = 80
NO_DATA = "rows.jsonl"
"""Stands as the source where the file names no data."""


@dataclass(frozen=True)
class Imported:
    """A recipe's text, and what has become of each setting of the file that it was made of."""

    text: str
    ledger: Ledger
    names_data: bool
    """Whether the file names rows; else the recipe has a place for them."""


def import_file(path: Path, file: str) -> Imported:
    """Read the file, which errors call `file`. Raises RecipeError where it is none that can be imported."""
    ledger = ledger_of(path, file)
    if ledger.value("model.name_or_path") is None:
        raise refused(file, None, "", f"this {ledger.tool} file names no model", "name the model that is tuned")
    title = plain_line(f"Imported from {ledger.tool}: {Path(file).stem}")[:LONGEST_TITLE]
    what = f"Made of {plain_line(Path(file).name)} by cockpit import."
    about = {"title": title, "description": what, "needs": "not measured", "duration": "not measured"}
    ledger.values.update({"schema": 1, "about": about})
    ledger.values.setdefault("method", "sft")
    names_data = ledger.value("data.sources.0.name_or_path") is not None
    if not names_data:
        ledger.default({"data.sources.0.name_or_path": NO_DATA})
        del ledger.defaults["data.sources.0.name_or_path"]
    ledger.settle()
    text = recipe_text(ledger)
    RecipeDocument.parse(text, file).recipe()
    return Imported(text, ledger, names_data)
