"""What the command palette finds beside keys: recipes and runs by their names"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from textual.app import SystemCommand
from textual.markup import escape

from cockpit.recipe.library import LibraryEntry, library
from cockpit.runs.folder import RunDir, all_runs
from cockpit.text.plain_text import plain_line


def recipes_and_runs(
    to_recipe: Callable[[LibraryEntry], None], to_run: Callable[[RunDir], None]
) -> Iterator[SystemCommand]:
    """A command for each, found once something is typed. The palette reads titles as markup, which names are not."""
    for entry in library():
        yours = "your own recipe" if entry.origin == "yours" else "recipe"
        yield SystemCommand(
            f"Recipe {escape(entry.name)}", f"Go to this {yours}", partial(to_recipe, entry), discover=False
        )
    for run in all_runs():
        yield SystemCommand(f"Run {escape(plain_line(run.id))}", "Open this run", partial(to_run, run), discover=False)
