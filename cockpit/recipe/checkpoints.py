"""How often checkpoints are written, and how many are kept"""

from __future__ import annotations

from cockpit.recipe.recipe import Recipe

EVERY_STEPS, KEPT = 200, 3
"""Of adapters, which are small, where the recipe does not say."""


def checkpoint_plan(recipe: Recipe) -> tuple[int | None, int | None]:
    """Steps between two checkpoints, None for none before the end; how many are kept, None for all."""
    output = recipe.output
    if output.save_steps is None and recipe.finetuning_type == "lora":
        return EVERY_STEPS, KEPT
    return output.save_steps, output.save_total_limit
