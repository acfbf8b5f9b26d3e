"""The recipe that an engine loads a saved folder with, to chat with it; nothing is trained by it."""

from __future__ import annotations

from pathlib import Path

from cockpit.models.folder import ModelFolder
from cockpit.models.hub_cache import cached_snapshot
from cockpit.models.saved_folder import SavedFolder
from cockpit.paths import local_path
from cockpit.recipe.data import Data, Source
from cockpit.recipe.model import Model
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.training import Training

LONGEST_TEXT = 32_768
"""Tokens that a model is prepared for where its config allows more."""


def recipe_of(saved: SavedFolder) -> Recipe:
    """The recipe of a folder without a defect: by plain transformers where that can load it.

    Raises pydantic's ValidationError, a ValueError, where the folder's own files name something that no recipe can.
    """
    folder = ModelFolder.at(local_path(saved.base) or cached_snapshot(saved.base) or saved.path)
    by_unsloth = saved.is_adapter and folder.is_unsloths_own
    return Recipe(
        schema=1,
        method="sft",
        backend="unsloth" if by_unsloth else "transformers",
        finetuning_type="lora" if saved.is_adapter else "full",
        model=Model(
            name_or_path=saved.base,
            revision=saved.revision,
            max_seq_length=_longest_text(folder),
            quantization="nf4" if by_unsloth else "none",
        ),
        data=Data(sources=[Source(name_or_path="embedded:pirate")]),  # a recipe needs some; a chat never reads them
        training=Training(gradient_checkpointing="none"),
    )


def recipe_of_gguf(file: Path) -> Recipe:
    """The recipe of a GGUF file: how its replies are drawn; all else is in the file itself."""
    return Recipe(
        schema=1,
        method="sft",
        backend="transformers",
        finetuning_type="full",
        model=Model(name_or_path=str(file)),
        data=Data(sources=[Source(name_or_path="embedded:pirate")]),
        training=Training(gradient_checkpointing="none"),
    )


def _longest_text(folder: ModelFolder) -> int:
    inner = folder.config.get("text_config")
    positions = (inner if isinstance(inner, dict) else folder.config).get("max_position_embeddings")
    return min(LONGEST_TEXT, positions) if isinstance(positions, int) and positions >= 16 else 2048
