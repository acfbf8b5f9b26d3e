"""What the trials of a search may be compared by"""

from __future__ import annotations

from cockpit.recipe.recipe import Recipe

ACCURACY = "eval_mean_token_accuracy"
MEASURE_ACCURACY = ("sft", "pretraining", "dpo")
"""Methods whose trainer measures that, though no chart shows it."""


def comparable(recipe: Recipe) -> dict[str, bool]:
    """What evaluations of the recipe measure, by name, and whether more of it is better. What is neither better nor
    worse where there is more of it, as entropy, is left out."""
    figures = {one.name: one.good == "up" for one in (recipe.kind.main, *recipe.figures) if one.good}
    if recipe.method == "grpo":
        del figures["loss"]  # the trainer tells none of held-out prompts
    found = {f"eval_{name}": rises for name, rises in figures.items()}
    if recipe.method in MEASURE_ACCURACY:
        found[ACCURACY] = True
    return found | dict.fromkeys(recipe.evaluation.names(), True)
