"""What recipes load as; called where the stack is imported."""

from __future__ import annotations

from typing import Any

from cockpit.engine.errors import RunFailure
from cockpit.recipe.document import RecipeDocument


def facts_of(recipes: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What each of the recipes loads as and gives, by its name, or its `failure`."""
    return {name: _facts(RecipeDocument.parse(text, "recipe.yaml")) for name, text in recipes.items()}


def _facts(document: RecipeDocument) -> dict[str, Any]:
    import torch

    from cockpit.engine.model.loading import load_for_training
    from cockpit.engine.training.arguments import compute_dtype

    recipe = document.recipe()
    try:
        loaded = load_for_training(recipe, lambda text: None)
    except RunFailure as failure:
        return {"failure": str(failure)}
    device, dtype = loaded.device, compute_dtype(recipe, loaded)
    ids = torch.tensor([loaded.tokenizer("what is the name of a colour")["input_ids"]], device=device)
    loaded.model.train()
    with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        loss = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids).loss
    loss.backward()
    quantised = ("Params4bit", "Int8Params")
    return {
        "adapted": loaded.adapted,
        "sees": loaded.processor is not None,
        "fast": loaded.tokenizer.is_fast,
        "padding": loaded.tokenizer.padding_side,
        "loss": loss.item(),
        "trained": sorted(name for name, weights in loaded.model.named_parameters() if weights.requires_grad),
        "dtype": str(dtype),
        "gradients": sum(weights.grad is not None for weights in loaded.model.parameters()),
        "all": sum(1 for _ in loaded.model.parameters()),
        "kind": type(loaded.model).__name__,
        "quantised": sum(type(weights).__name__ in quantised for weights in loaded.model.parameters()),
    }
