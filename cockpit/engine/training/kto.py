"""kto: marked answers -> TRL's KTOTrainer, by Unsloth or not"""

from __future__ import annotations

from typing import Any

from cockpit.engine.data.prepare import PreparedData, pad_to
from cockpit.engine.model.loading import Loaded
from cockpit.engine.training.collators import MarkedCollator
from cockpit.engine.training.preference import made
from cockpit.recipe.recipe import Recipe

STAND_IN = {"prompt": "a\n", "completion": "b", "label": True}


def make_trainer(recipe: Recipe, loaded: Loaded, data: PreparedData, settings: dict[str, Any]) -> Any:
    """A RunTrainer over TRL's. Rows come in random order: TRL asks for their own since it crosses prompts and answers
    of a batch beforehand, and the collator does that once the batch is drawn."""
    from trl import KTOConfig, KTOTrainer

    args = KTOConfig(**settings, **recipe.kto.model_dump())
    collator = MarkedCollator(loaded.tokenizer.pad_token_id, pad_to(recipe), with_kl=recipe.kto.loss_type == "kto")
    trainer = made(KTOTrainer, loaded, data, args, collator, STAND_IN)
    trainer.args.train_sampling_strategy = "random"
    return trainer
