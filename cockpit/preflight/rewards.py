"""Whether what a recipe rewards can be rewarded with its rows"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from cockpit.data.files import rows_of
from cockpit.data.inputs import Inputs, SourceInput
from cockpit.data.shown import listed_names, shown_name
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.section import Conflict
from cockpit.suites.checks import wrong_schema

LOOKED_AT = 32
"""Rows of a source whose columns are known."""


def of_rewards(recipe: Recipe, inputs: Inputs) -> Iterator[Conflict]:
    """A schema that is none, and columns that no row has, which would be told only once completions were drawn."""
    if recipe.method != "grpo":
        return
    for at, reward in enumerate(recipe.grpo.rewards):
        if reward.json_schema is not None and (told := wrong_schema(reward.json_schema)) is not None:
            yield Conflict(f"grpo.rewards.{at}.json_schema", *told)
        if reward.numeric_answer is not None:
            yield from _of_column(f"grpo.rewards.{at}.numeric_answer", reward.numeric_answer, inputs.sources)


def _of_column(field: str, column: str, sources: tuple[SourceInput, ...]) -> Iterator[Conflict]:
    for source in sources:
        if source.form is None or source.path is None:
            continue
        try:
            some = [row for _, row in islice(rows_of(source.path, source.source.split, lambda error: None), LOOKED_AT)]
        except (OSError, ValueError):
            continue  # the check of the data tells
        there = list(dict.fromkeys(name for row in some for name in row))
        if there and column not in there:
            wrong = f"{source.path.name} has no column '{shown_name(column)}'; it has {listed_names(there)}"
            yield Conflict(field, wrong, "name the one with the right answer")
            return
