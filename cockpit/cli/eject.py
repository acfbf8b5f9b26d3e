"""cockpit eject: a plain script that trains what a recipe or a run trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end, refuse

if TYPE_CHECKING:
    from cockpit.recipe.recipe import Recipe


def eject(
    what: Annotated[
        str, typer.Argument(metavar="RUN|RECIPE", help="A run, last for the newest; a recipe or its file.")
    ],
    notebook: Annotated[bool, typer.Option("--notebook", help="A notebook in place of a script.")] = False,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="FILE", help="Write it here; printed unless given.")
    ] = None,
) -> None:
    """Print a script of Unsloth or transformers, and trl, that trains the same: rows, masks, order and losses.

    It needs nothing of cockpit, and leaves out what cockpit does beside training: watchdogs, samples, measured answers.
    Of a run it is what was trained, as it was fitted to its machine; settings stand beside their reasons, where the
    recipe or the fitting has some.

    Exit status: 0 it is written, 2 there is no such run or recipe, or no script for what it does.
    """
    from cockpit.ejecting.rows_part import UnreadableRows
    from cockpit.ejecting.script import notebook_of, script_of
    from cockpit.ejecting.unfit import unfit
    from cockpit.paths import expanded
    from cockpit.text.plain_text import plain_text

    target = None if as_ is None else expanded(as_)
    if target is not None and target.exists():
        refuse([f"{target}: there is such a file already; give another name, or remove it."])
    recipe, name, reasons = _found(what)
    if wrong := unfit(recipe):
        refuse(wrong)
    try:
        text = script_of(recipe, name, reasons)
    except UnreadableRows as error:
        refuse([str(error)])
    text = notebook_of(text) if notebook else text
    if target is None:
        print(plain_text(text), end="")
        return
    _write(target, text)


def _found(what: str) -> tuple[Recipe, str, dict[str, str]]:
    """The recipe, what it is called, and its reasons by field. A recipe's name goes before a run's."""
    from cockpit.ejecting.reasons import fitted, reasons_in
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.library import find_recipe, library
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.folder import find_run

    is_file = what.endswith((".yaml", ".yml")) or what in [entry.name for entry in library()]
    try:
        if is_file:
            document = find_recipe(what)
            return document.recipe(), document.name, reasons_in(document)
        run = find_run(what)
        document = RecipeDocument.load(run.recipe)
        recipe = document.recipe()
        written = run.written_recipe
        reasons = fitted(recipe, RecipeDocument.load(written).recipe()) if written.is_file() else {}
        return recipe, run.id, reasons
    except LookupError as error:
        end(str(error), 2)
    except RecipeError as error:
        refuse([str(problem) for problem in error.problems])


def _write(target: Path, text: str) -> None:
    from cockpit.disk import write_atomically

    try:
        write_atomically(target, text)
    except OSError as error:
        end(f"{target}: it cannot be written ({error.strerror or error}).", 2)
