"""cockpit card: the model card of a run's result."""

from __future__ import annotations

from typing import Annotated

import typer

from cockpit.cli.ending import end, refuse


def card(
    run: Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")] = "last",
    as_: Annotated[
        str | None, typer.Option("--as", metavar="FILE", help="Write it here; printed unless given.")
    ] = None,
) -> None:
    """Print the model card of what a run has saved, as Markdown: base and data with their hashes, method and figures,
    held-out loss before and after, versions, and how to serve it. It names no folder of this machine.

    An export has its card beside it, with what the export was verified by.

    Exit status: 0 it is written, 1 the run has saved nothing yet, 2 there is no such run.
    """
    from cockpit.disk import write_atomically
    from cockpit.engine.export.card import card_of
    from cockpit.paths import expanded
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.folder import find_run
    from cockpit.text.plain_text import plain_line, plain_text

    try:
        found = find_run(run)
        recipe = RecipeDocument.load(found.recipe).recipe()
    except LookupError as error:
        end(str(error), 2)
    except RecipeError as error:
        refuse([str(problem) for problem in error.problems])
    if found.result is None:
        end(f"{plain_line(found.id)} has saved no model yet.", 1)
    target = None if as_ is None else expanded(as_)
    if target is not None and target.exists():
        refuse([f"{target}: there is such a file already; give another name, or remove it."])
    try:
        text = card_of(found.result, found, recipe)
        if target is not None:
            write_atomically(target, text)
    except OSError as error:
        end(f"The card cannot be written: {error.strerror or error}.", 1)
    if target is None:
        print(plain_text(text), end="")
