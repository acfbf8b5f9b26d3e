"""A model that is being trained, made to answer between two steps"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cockpit.engine.model.base_model import unsloth_checkpointing, unsloth_class
from cockpit.engine.model.loading import Loaded
from cockpit.recipe.recipe import Recipe


@contextmanager
def answering(loaded: Loaded, recipe: Recipe) -> Iterator[None]:
    """Within, the model answers; afterwards it trains as before, and the memory of the answers is free. The caller sees
    to random numbers."""
    model, tokenizer = loaded.model, loaded.tokenizer
    by_unsloth = unsloth_class(loaded.processor is not None, False) if loaded.backend == "unsloth" else None
    was_training, side = model.training, tokenizer.padding_side
    try:
        model.eval()
        if by_unsloth is not None:
            by_unsloth.for_inference(model)
        yield
    finally:
        if by_unsloth is not None:
            by_unsloth.for_training(model, use_gradient_checkpointing=unsloth_checkpointing(recipe))
        model.train(was_training)
        tokenizer.padding_side = side
        if torch.cuda.is_available():
            gc.collect()
            torch.cuda.empty_cache()
