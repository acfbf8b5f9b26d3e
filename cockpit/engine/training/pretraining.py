"""pretraining: plain texts -> the trainer of sft, with a learning rate of their own for embeddings and head"""

from __future__ import annotations

from typing import Any

from cockpit.engine.data.prepare import PreparedData
from cockpit.engine.model.loading import Loaded
from cockpit.engine.training import sft
from cockpit.engine.training.learning_rate import RATE_SHARE
from cockpit.recipe.recipe import EMBEDDINGS, Recipe


def make_trainer(recipe: Recipe, loaded: Loaded, data: PreparedData, settings: dict[str, Any]) -> Any:
    """As that of sft: the labels of plain texts are their tokens."""
    trainer = sft.make_trainer(recipe, loaded, data, settings)
    rate = recipe.pretraining.embedding_learning_rate
    if rate is not None:
        _set_embedding_rate(trainer, rate / recipe.training.learning_rate)
    return trainer


def _set_embedding_rate(trainer: Any, share: float) -> None:
    """Let embeddings and head learn with a `share` of the others' rate, as Unsloth advises."""
    weights = {
        id(weight)
        for name, weight in trainer.model.named_parameters()
        if weight.requires_grad and ".lora_" not in name and any(part in EMBEDDINGS for part in name.split("."))
    }
    optimizer = trainer.create_optimizer()
    for group in list(optimizer.param_groups):
        apart = [weight for weight in group["params"] if id(weight) in weights]
        if apart:
            group["params"] = [weight for weight in group["params"] if id(weight) not in weights]
            settings = {name: value for name, value in group.items() if name != "params"}
            optimizer.add_param_group({**settings, "params": apart, "lr": group["lr"] * share, RATE_SHARE: share})
