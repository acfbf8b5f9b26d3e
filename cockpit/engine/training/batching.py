"""Prepared rows -> the backend's trainer, with batches that are padded, joined, packed or of images"""

from __future__ import annotations

from typing import Any

import torch

from cockpit.engine.compat.private_names import attest_length, skip_probe_of_joining
from cockpit.engine.compat.varlen import lend_varlen_attention
from cockpit.engine.data.prepare import PreparedData, max_tokens, pad_to
from cockpit.engine.errors import RunFailure
from cockpit.engine.model.loading import Loaded
from cockpit.engine.training.trainer import run_trainer
from cockpit.recipe.recipe import Recipe

SFT_ONLY = ("max_length", "packing", "padding_free", "pad_to_multiple_of", "dataset_kwargs", "dataset_text_field")
"""What SFTConfig has and TrainingArguments has not."""


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
        "remove_unused_columns": False,
        "train_sampling_strategy": "group_by_length" if by_length else "random",
    }


def make_trainer(recipe: Recipe, loaded: Loaded, data: PreparedData, settings: dict[str, Any]) -> Any:
    """A RunTrainer over TRL's trainer; on the CPU without Unsloth over the one beneath it, as TRL's loss is a Triton
    kernel, which no CPU runs. The rows are tokenized and masked already, so both compute the same."""
    from transformers import Trainer, TrainingArguments
    from trl import SFTConfig, SFTTrainer
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    common = {
        "model": loaded.model,
        "train_dataset": data.train,
        "eval_dataset": data.held_out,
        "processing_class": loaded.tokenizer if data.collator is None else loaded.processor,
    }
    collator = None if data.collator is None else data.collator(loaded.model)
    if loaded.backend == "transformers" and loaded.device.type == "cpu":
        if collator is None:
            collator = DataCollatorForLanguageModeling(
                pad_token_id=loaded.tokenizer.pad_token_id,
                padding_free=settings["padding_free"],
                pad_to_multiple_of=settings["pad_to_multiple_of"],
            )
        # With a cache the model takes joined rows for one long row.
        loaded.model.config.use_cache = False
        _refuse_seeing_neighbours(loaded, settings)
        settings = {name: value for name, value in settings.items() if name not in SFT_ONLY}
        return run_trainer(Trainer)(args=TrainingArguments(**settings), data_collator=collator, **common)
    if loaded.backend == "unsloth":
        for dataset in filter(None, (data.train, data.held_out)):
            attest_length(dataset, max_tokens(recipe))
        if settings["padding_free"]:
            lend_varlen_attention()
        else:
            skip_probe_of_joining()
    else:
        _refuse_seeing_neighbours(loaded, settings)
    trainer = run_trainer(SFTTrainer)(args=SFTConfig(**settings), data_collator=collator, **common)
    if data.packed and not getattr(trainer.data_collator, "padding_free", False):
        # Unsloth has a list of models whose attention it does not trust with this, and then pads as if nothing was.
        raise RunFailure("Unsloth does not pack rows for this model.", "Set training.packing to false.")
    return trainer


def _is_joined(recipe: Recipe, loaded: Loaded, data: PreparedData) -> bool:
    if not recipe.training.padding_free or data.packed or data.collator is not None:
        return False
    return loaded.backend == "transformers" or loaded.device.type != "cpu"


def _refuse_seeing_neighbours(loaded: Loaded, settings: dict[str, Any]) -> None:
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
