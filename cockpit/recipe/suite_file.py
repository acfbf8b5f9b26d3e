"""A smoke suite by name: a file of its own, or the suite of a recipe"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.paths import expanded, kind_of
from cockpit.recipe import yaml_source
from cockpit.recipe.document import RecipeDocument, shown_path
from cockpit.recipe.field_path import dotted
from cockpit.recipe.library import ENDINGS, find_recipe
from cockpit.recipe.problem import Problem, RecipeError
from cockpit.recipe.suite import Suite
from cockpit.recipe.validation import validate_part

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1 << 20
AT = ("suite",)
FORM = "a suite is made of learned: and kept:, each a list of prompts with checks"


def find_suite(name: str) -> Suite:
    """The suite in that file, which may be a recipe's, or that of the recipe of that name. Raises RecipeError with
    everything that is wrong."""
    path = expanded(name)
    if kind_of(path) == "file":
        return load_suite(path)
    if path.suffix in ENDINGS or "/" in name:
        raise RecipeError([Problem(shown_path(path), None, "", "there is no such file", "give a suite's file")])
    document = find_recipe(name)
    return with_prompts(document.recipe().suite, document.file)


def load_suite(path: Path) -> Suite:
    """The suite in the file. Raises RecipeError with everything that is wrong."""
    file = shown_path(path)
    text = yaml_source.read_text(path, file, MAX_BYTES)
    source = yaml_source.parse(text, file, FORM)
    if "method" in source.values:
        return with_prompts(RecipeDocument.parse(text, file).recipe().suite, file)
    suite, faults = validate_part(Suite, AT, source.values)
    if suite is not None:
        return with_prompts(suite, file)
    problems = []
    for fault in faults:
        place = fault.path[len(AT) :]
        problems.append(Problem(file, source.line(place), dotted(place), fault.wrong, fault.right))
    raise RecipeError(sorted(problems, key=lambda problem: (problem.line is None, problem.line or 0)))


def with_prompts(suite: Suite, file: str) -> Suite:
    """The suite. Raises RecipeError where there is nothing in it."""
    if not (suite.learned or suite.kept):
        raise RecipeError([Problem(file, None, "", "it has no prompts to ask", FORM)])
    return suite
