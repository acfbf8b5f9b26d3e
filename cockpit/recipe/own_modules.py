"""Code of the user's own that a recipe names: Python modules of its rewards, its evaluation and its checks; judges"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cockpit.paths import kind_of
from cockpit.recipe.recipe import Recipe


def own_modules(recipe: Recipe) -> list[str]:
    """The outermost module of each function, sorted: `judging` for judging.strict:right."""
    return sorted({name.partition(":")[0].partition(".")[0] for name in _functions(recipe) if name})


def files_of_judges(recipe: Recipe) -> list[Path]:
    """Files below the working folder that judges are run with, relative to it."""
    words = {os.path.normpath(word) for _, _, prompt in recipe.suite.prompts() for word in prompt.checks.judge}
    paths = [Path(word) for word in sorted(words)]
    return [path for path in paths if not path.is_absolute() and ".." not in path.parts and kind_of(path) == "file"]


def _functions(recipe: Recipe) -> Iterator[str | None]:
    yield recipe.evaluation.function
    yield from (prompt.checks.function for _, _, prompt in recipe.suite.prompts())
    if recipe.method == "grpo":
        yield from (reward.function for reward in recipe.grpo.rewards)
