"""Where the backend's trainer does otherwise than the recipe says: told, as nothing of a recipe is dropped silently"""

from __future__ import annotations

from typing import Any

from cockpit.recipe.recipe import Recipe


def overrides(recipe: Recipe, settings: dict[str, Any], trainer: Any) -> list[str]:
    """A sentence for each field that is not followed to the letter. `settings` are those that the trainer was made
    with, in SFTConfig's words; its own `args` are what it makes of them."""
    training, args = recipe.training, trainer.args
    told = [_of_precision(recipe, args)]
    if training.gradient_checkpointing == "non_reentrant" and (args.gradient_checkpointing_kwargs or {}).get(
        "use_reentrant"
    ):
        told.append(
            "training.gradient_checkpointing: on a GPU Unsloth makes non_reentrant reentrant; the gradients are the "
            "same."
        )
    if args.per_device_eval_batch_size != settings["per_device_eval_batch_size"]:
        told.append(
            f"training.per_device_eval_batch_size: Unsloth takes {args.per_device_eval_batch_size:,} rows at once in "
            f"place of {settings['per_device_eval_batch_size']:,}."
        )
    joins = getattr(trainer.data_collator, "padding_free", False)
    if training.padding_free and not joins:
        told.append("training.padding_free is not followed: these rows are padded, as nothing here joins them.")
    if training.group_by_length and getattr(args, "train_sampling_strategy", "") == "random":
        told.append("training.group_by_length is not followed: rows with images come in random order.")
    return list(filter(None, told))


def _of_precision(recipe: Recipe, args: Any) -> str:
    wanted = recipe.model.dtype
    computes = "bfloat16" if args.bf16 else "float16" if args.fp16 else "float32"
    if wanted == "float32" and computes != "float32":
        return f"model.dtype: the weights are float32, and the trainer multiplies in {computes}."
    if wanted == "float16" and computes != "float16":
        return f"model.dtype: float16 does not suit this model here; it is trained in {computes}."
    return ""
