"""The learning rate that a model of some size usually takes: where a search for a better one begins"""

from __future__ import annotations

from cockpit.models.published import described
from cockpit.models.shape import ModelShape
from cockpit.recipe.recipe import Recipe

UNKNOWN = 2e-4
"""Of a LoRA on a model of which nobody knows the size: that of most notebooks."""
BASE, WIDTH, FALL = 5e-4, 2000, 0.78
"""A LoRA takes BASE × (WIDTH / hidden size) ** FALL: https://thinkingmachines.ai/blog/lora gives it for Llama."""
FULL_SHARE = 0.1
"""All weights take a tenth of what an adapter takes; the same source."""
METHOD_SHARES = {"sft": 1.0, "pretraining": 1 / 4, "orpo": 1 / 10, "dpo": 1 / 40, "kto": 1 / 40, "grpo": 1 / 40}
"""Of sft's rate, as the shipped recipes have them."""


def usual_rate(recipe: Recipe) -> float:
    """For the recipe's model, method and kind of training, to two digits."""
    model = described(recipe.model.name_or_path)
    shape = ModelShape.of(model.config) if model is not None else None
    rate = UNKNOWN if shape is None else BASE * (WIDTH / shape.hidden) ** FALL
    if recipe.finetuning_type == "full":
        rate *= FULL_SHARE
    return two_digits(rate * METHOD_SHARES.get(recipe.method, 1.0))


def two_digits(rate: float) -> float:
    """As people write a learning rate: 2.9e-4."""
    return float(f"{rate:.1e}")
