"""A model to be asked, with an adapter of small random weights, so that tuned and base say other things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.recipe.library import find_recipe

if TYPE_CHECKING:
    from cockpit.engine.model.loading import Loaded


def with_random_adapter(backend: str, model: str, **fields: object) -> Loaded:
    """`fields` are those of the recipe's `model`. The stack is imported already."""
    import torch

    from cockpit.engine.model.loading import for_inference, load_for_training

    document = find_recipe("demo")
    document.set("backend", backend)
    document.set("model.name_or_path", model)
    document.set("hardware.gpu", "auto")
    for field, value in fields.items():
        document.set(f"model.{field}", value)
    loaded = load_for_training(document.recipe(), print)
    torch.manual_seed(0)
    for name, weight in loaded.model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.002)
    for_inference(loaded)
    return loaded
