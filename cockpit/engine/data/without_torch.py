"""transformers without torch: a tokenizer needs none, and importing it takes five times as long as all the rest"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cockpit.data.inputs import trains_images
from cockpit.recipe.recipe import Recipe

LOOK_FOR_TORCH = ("torch", "transformers", "datasets")
"""Packages that find out whether torch is there while they are imported, and remember it."""


@contextmanager
def without_torch(recipe: Recipe) -> Iterator[None]:
    """Inside, torch cannot be imported where the recipe's tokenizer does without: images and a model's own code do not.

    Nothing happens where one of these packages is imported already. What was imported inside is forgotten at the end.
    """
    before = set(sys.modules)
    if before & set(LOOK_FOR_TORCH) or recipe.model.trust_remote_code or trains_images(recipe):
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in LOOK_FOR_TORCH:
                del sys.modules[name]
