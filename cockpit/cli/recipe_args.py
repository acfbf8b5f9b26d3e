"""The recipe that a command line asks for: a name or file, with data, model and settings of its own on it"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.cli.ending import refuse
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.problem import Problem
    from cockpit.recipe.recipe import Recipe

STDIN = "-"
"""The recipe that stands for what is piped in."""


def asked_for(
    recipe: str,
    data: Path | None,
    model: str | None,
    settings: list[str],
    *,
    grid: Sequence[str] = (),
    gpus: str | None = None,
    piped: bool = False,
) -> tuple[RecipeDocument, Recipe]:
    """The recipe with all that was asked for on it; ends with status 2 where something is wrong.

    `grid`: settings that --grid brought, which is named where they are wrong, as --gpus is, which brought `gpus`.
    `piped`: a recipe called - is read from stdin.
    """
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.library import find_recipe
    from cockpit.recipe.problem import RecipeError

    try:
        from_stdin = piped and recipe == STDIN
        document = RecipeDocument.parse(sys.stdin.read(), "stdin") if from_stdin else find_recipe(recipe)
        if data is not None:
            document.use_data(data)
        if model is not None:
            document.use_model(model)
    except RecipeError as error:
        refuse([str(problem) for problem in error.problems])
    except UnicodeDecodeError:
        refuse(["The recipe on stdin is not UTF-8; write it again as UTF-8."])
    wrong: list[str] = []
    asked = [*(("--set", one) for one in settings), *(("--grid", one) for one in grid)]
    asked += [] if gpus is None else [("--gpus", f"hardware.devices={gpus}")]
    for option, setting in asked:
        try:
            document.set_from_text(setting)
        except RecipeError as error:
            wrong += [str(replace(problem, file=option)) for problem in error.problems]
    try:
        resolved = document.recipe()
    except RecipeError as error:
        wrong += [str(blamed(problem, data, model, settings, grid, gpus)) for problem in error.problems]
    if wrong:
        refuse(wrong)
    return document, resolved


def blamed(
    problem: Problem,
    data: Path | None,
    model: str | None,
    settings: list[str],
    grid: Sequence[str] = (),
    gpus: str | None = None,
) -> Problem:
    """The problem, laid at the option that brought it in place of the recipe, where it was one."""
    if data is not None and problem.field.startswith("data.sources"):
        option, value = "--data", str(data)
    elif model is not None and problem.field == "model.name_or_path":
        option, value = "--model", model
    elif gpus is not None and problem.field == "hardware.devices":
        return replace(problem, file="--gpus", line=None)
    elif any(_is_of(problem.field, setting) for setting in grid):
        return replace(problem, file="--grid", line=None)
    elif any(_is_of(problem.field, setting) for setting in settings):
        return replace(problem, file="--set", line=None)
    else:
        return problem
    problem = replace(problem, file=option, line=None, field="" if value in problem.wrong else value)
    name = plain_line(Path(value).name)
    if problem.field and problem.wrong.startswith((f"{name}:", f"{name} ")):  # it names the file without its folder
        return replace(problem, field="", wrong=value + problem.wrong.removeprefix(name))
    return problem


def _is_of(field: str, setting: str) -> bool:
    """Whether `lora.r=8` sets that field or a part of it."""
    return f"{setting.partition('=')[0].strip()}.".startswith(f"{field}.")
