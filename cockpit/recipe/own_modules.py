"""Python modules of the user's own that a recipe names: those of its rewards, its evaluation and its checks"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.recipe.recipe import Recipe


def own_modules(recipe: Recipe) -> list[str]:
    """The outermost module of each function, sorted: `judging` for judging.strict:right."""
    return sorted({name.partition(":")[0].partition(".")[0] for name in _functions(recipe) if name})


def _functions(recipe: Recipe) -> Iterator[str | None]:
    yield recipe.evaluation.function
    yield from (prompt.checks.function for _, _, prompt in recipe.suite.prompts())
    if recipe.method == "grpo":
        yield from (reward.function for reward in recipe.grpo.rewards)
