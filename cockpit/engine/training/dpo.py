"""dpo: pairs -> TRL's DPOTrainer, by Unsloth or not"""

from __future__ import annotations

from typing import Any

from cockpit.engine.data.prepare import PreparedData
from cockpit.engine.model.loading import Loaded
from cockpit.engine.training.preference import on_pairs
from cockpit.recipe.methods.dpo import Dpo
from cockpit.recipe.recipe import Recipe


def make_trainer(recipe: Recipe, loaded: Loaded, data: PreparedData, settings: dict[str, Any]) -> Any:
    """A RunTrainer over TRL's. The reference is the base without the adapter, or the adapter as it began."""
    from trl import DPOConfig, DPOTrainer

    args = DPOConfig(**settings, **own_arguments(recipe.dpo))
    return on_pairs(DPOTrainer, recipe, loaded, data, args)


def own_arguments(dpo: Dpo) -> dict[str, Any]:
    """The section in DPOConfig's words."""
    fields = dpo.model_dump(exclude={"loss_type", "rpo_alpha"})
    if dpo.rpo_alpha is None:
        return fields | {"loss_type": [dpo.loss_type]}
    return fields | {"loss_type": [dpo.loss_type, "sft"], "loss_weights": [1.0, dpo.rpo_alpha]}
