"""orpo: pairs -> TRL's ORPOTrainer, by Unsloth or not"""

from __future__ import annotations

from typing import Any

from cockpit.engine.data.prepare import PreparedData, max_tokens, pad_to
from cockpit.engine.model.loading import Loaded
from cockpit.engine.training.collators import OddsCollator
from cockpit.engine.training.preference import PAIR, made
from cockpit.recipe.recipe import Recipe


def make_trainer(recipe: Recipe, loaded: Loaded, data: PreparedData, settings: dict[str, Any]) -> Any:
    """A RunTrainer over TRL's. It compares with no reference."""
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    args = ORPOConfig(**settings, **recipe.orpo.model_dump(), max_length=max_tokens(recipe))
    collator = OddsCollator(loaded.tokenizer.pad_token_id, pad_to(recipe))
    trainer = made(ORPOTrainer, loaded, data, args, collator, PAIR, has_reference=False)
    trainer.use_dpo_data_collator = True  # its batches are named alike: it would warn at each evaluation
    return trainer
