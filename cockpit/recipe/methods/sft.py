"""sft: supervised fine-tuning on examples"""

from __future__ import annotations

from cockpit.recipe.methods.method import Method

SFT = Method(
    name="sft",
    title="supervised fine-tuning",
    forms=("messages", "sharegpt", "image_text", "alpaca", "prompt_completion", "text"),
)
