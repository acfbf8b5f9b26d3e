"""What the trainers of preference methods have in common: rows that are tokenized already, and a reference"""

from __future__ import annotations

import copy
from typing import Any

from cockpit.engine.compat.log_probs import lend_log_probs
from cockpit.engine.data.prepare import PreparedData, pad_to
from cockpit.engine.model.loading import Loaded
from cockpit.engine.model.lora_start import gives_nothing
from cockpit.engine.training.collators import PreferenceCollator
from cockpit.engine.training.trainer import run_trainer
from cockpit.recipe.recipe import Recipe

PAIR = {"prompt": "a\n", "chosen": "b", "rejected": "c"}
"""A row of text as TRL takes it, to stand in for those that are tokenized already. No token reaches over the end of a
line: TRL warns of a prompt whose end merges with its answer."""
REFERENCE = "ref"
"""What TRL calls the copy of an adapter that it compares with."""


def on_pairs(base: type, recipe: Recipe, loaded: Loaded, data: PreparedData, args: Any) -> Any:
    """The trainer `base` of TRL on tokenized pairs."""
    collator = PreferenceCollator(loaded.tokenizer.pad_token_id, pad_to(recipe))
    return made(base, loaded, data, args, collator, PAIR)


def made(
    base: type,
    loaded: Loaded,
    data: PreparedData,
    args: Any,
    collator: Any,
    stand_in: dict[str, Any],
    *,
    has_reference: bool = True,
) -> Any:
    """The trainer `base` of TRL, which tokenizes the one row `stand_in` in place of those that are tokenized already,
    and is given these afterwards. `has_reference`: it compares with the model as it began, of which full training
    needs a copy."""
    from datasets import Dataset

    lend_log_probs()
    trainer = run_trainer(base)(
        model=loaded.model,
        args=args,
        data_collator=collator,
        train_dataset=Dataset.from_list([stand_in]),
        eval_dataset=Dataset.from_list([stand_in]) if data.held_out is not None else None,
        processing_class=loaded.tokenizer,
        **({"ref_model": copy.deepcopy(loaded.model)} if has_reference and not loaded.adapted else {}),
    )
    trainer.train_dataset, trainer.eval_dataset = data.train, data.held_out
    drop_needless_reference(trainer.model)
    return trainer


def drop_needless_reference(model: Any) -> None:
    """A fresh adapter gives the base's own words: the base without it is the reference, and the copy takes memory and
    would be saved too."""
    if REFERENCE in getattr(model, "peft_config", {}) and gives_nothing(model, REFERENCE):
        model.delete_adapter(REFERENCE)
