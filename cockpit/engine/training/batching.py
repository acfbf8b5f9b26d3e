"""How rows become batches that are padded, joined, packed or of images"""

from __future__ import annotations

from typing import Any

import torch

from cockpit.engine.data.prepare import PreparedData, max_tokens, pad_to
from cockpit.engine.errors import RunFailure
from cockpit.engine.model.loading import Loaded
from cockpit.recipe.recipe import Recipe


def batching(recipe: Recipe, loaded: Loaded, data: PreparedData) -> dict[str, Any]:
    """How rows become batches, in SFTConfig's words. The rows are tokenized, masked and cut already."""
    joined = _is_joined(recipe, loaded, data)
    length: int | None = max_tokens(recipe)
    if joined and loaded.backend == "transformers":
        length = None  # TRL takes a length to mean that rows are still to be cut, and then joins none
    by_length = recipe.training.group_by_length and not data.packed and data.collator is None
    return {
        "max_length": length,
        "packing": data.packed,
        "padding_free": joined or data.packed,
        "pad_to_multiple_of": pad_to(recipe),
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "dataset_text_field": "text" if data.collator is None else "",
        "train_sampling_strategy": "group_by_length" if by_length else "random",
    }


def _is_joined(recipe: Recipe, loaded: Loaded, data: PreparedData) -> bool:
    if not recipe.training.padding_free or data.packed or data.collator is not None:
        return False
    return loaded.backend == "transformers" or loaded.device.type != "cpu"


def refuse_seeing_neighbours(loaded: Loaded, settings: dict[str, Any]) -> None:
    """Raises RunFailure where rows are to be joined and the model would not keep them apart."""
    if settings["padding_free"] and neighbours_are_seen(loaded.model):
        raise RunFailure(
            "With this model the rows of one sequence would see each other.",
            "Set training.packing and training.padding_free to false, or backend to unsloth.",
        )


def neighbours_are_seen(model: Any) -> bool:
    """Whether what a row of a joined sequence gives depends on the row before it: told by exchanging that one.

    Attention keeps rows apart by their positions; layers with a running state, as of linear attention, do not.
    """
    first, row = list(range(3, 9)), list(range(9, 15))
    positions = torch.tensor([[*range(6), *range(6)]], device=model.device)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            seen = [
                model(
                    input_ids=torch.tensor([[*before, *row]], device=model.device),
                    position_ids=positions,
                    use_cache=False,
                ).logits[0, 6:]
                for before in (first, first[::-1])
            ]
    finally:
        model.train(was_training)
    one, other = (logits.float() for logits in seen)
    # More than 16-bit rounding, which differs where experts are given other rows to round with.
    return bool((one - other).norm() > 0.01 * one.norm())
