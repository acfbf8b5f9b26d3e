"""sft: prepared rows -> TRL's SFTTrainer, by Unsloth or not"""

from __future__ import annotations

from typing import Any

from cockpit.engine.compat.private_names import attest_length, skip_probe_of_joining
from cockpit.engine.compat.varlen import lend_varlen_attention
from cockpit.engine.data.prepare import PreparedData, max_tokens
from cockpit.engine.errors import RunFailure
from cockpit.engine.model.loading import Loaded
from cockpit.engine.training.batching import batching, refuse_seeing_neighbours
from cockpit.engine.training.trainer import run_trainer
from cockpit.recipe.recipe import Recipe

SFT_ONLY = ("max_length", "packing", "padding_free", "pad_to_multiple_of", "dataset_kwargs", "dataset_text_field")
"""What SFTConfig has and TrainingArguments has not."""


def make_trainer(recipe: Recipe, loaded: Loaded, data: PreparedData, settings: dict[str, Any]) -> Any:
    """A RunTrainer over TRL's trainer, with `settings` in the words of TrainingArguments; on the CPU without Unsloth
    over the one beneath it, as TRL's loss is a Triton kernel, which no CPU runs. The rows are tokenized and masked
    already, so both compute the same."""
    from transformers import Trainer, TrainingArguments
    from trl import SFTConfig, SFTTrainer
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    settings = settings | batching(recipe, loaded, data)
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
        refuse_seeing_neighbours(loaded, settings)
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
        refuse_seeing_neighbours(loaded, settings)
    trainer = run_trainer(SFTTrainer)(args=SFTConfig(**settings), data_collator=collator, **common)
    if data.packed and not getattr(trainer.data_collator, "padding_free", False):
        # Unsloth has a list of models whose attention it does not trust with this, and then pads as if nothing was.
        raise RunFailure("Unsloth does not pack rows for this model.", "Set training.packing to false.")
    return trainer
