"""What is known of models that are not on this disk: the sizes of those that the shipped recipes name"""

from __future__ import annotations

import functools
from pathlib import Path

from cockpit.models.folder import ModelFolder, read_json
from cockpit.models.hub_cache import cached_snapshot
from cockpit.paths import kind_of, located, shipped_recipes_folder

TABLE = "models.json"
"""Beside the shipped recipes: name on the Hub -> the part of its config.json that has its sizes."""


def described(name_or_path: str) -> ModelFolder | None:
    """The model as its own files describe it where they are on this disk, else as the table does; None where neither
    does. One of the table alone has no weights."""
    try:
        folder = located(name_or_path) or cached_snapshot(name_or_path)
    except (OSError, ValueError):
        folder = None
    if folder is not None and kind_of(folder) == "folder":
        found = ModelFolder.at(folder)
        if found.config:
            return found
    config = _table().get(name_or_path)
    return ModelFolder(Path(), config) if isinstance(config, dict) else None


def published_models() -> list[str]:
    """Names on the Hub of the models that the shipped recipes name, sorted."""
    return sorted(_table())


@functools.cache
def _table() -> dict[str, object]:
    return read_json(shipped_recipes_folder() / TABLE)
