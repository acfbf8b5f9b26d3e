"""Paths of this disk that a recipe names, absolute: whoever reads it from another folder finds the same files"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cockpit.paths import PREFIX, expanded, local_path
from cockpit.recipe.field_path import FieldPath
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schema import section_fields
from cockpit.recipe.section import Section

OR_NAMES = ("name_or_path", "adapter")
"""Fields that hold a name, of the Hub or of a run, where they hold no path."""


def local_paths(recipe: Recipe) -> dict[FieldPath, Path]:
    """By its field, each path that the recipe names; nothing needs to be there."""
    return dict(_paths(recipe, ()))


def _paths(section: Section, prefix: FieldPath) -> Iterator[tuple[FieldPath, Path]]:
    names = {id(info): name for name, info in type(section).model_fields.items()}
    for key, info in section_fields(type(section)).items():
        value, extra = getattr(section, names[id(info)]), info.json_schema_extra
        if isinstance(value, Section):
            yield from _paths(value, (*prefix, key))
        elif isinstance(value, list):
            for index, one in enumerate(value):
                if isinstance(one, Section):
                    yield from _paths(one, (*prefix, key, index))
        elif isinstance(extra, dict) and (path := _path(key, value, extra.get("path"))) is not None:
            yield (*prefix, key), path


def _path(key: str, value: object, suffixes: object) -> Path | None:
    """None for a name, and where the field holds none: it has no `suffixes` of files that would fit. What has one of
    them is a path, whether or not it is there already."""
    if suffixes is None or not isinstance(value, str) or not value or value.startswith(PREFIX):
        return None
    is_file = key not in OR_NAMES or (isinstance(suffixes, list) and Path(value).suffix.lower() in suffixes)
    return expanded(value).absolute() if is_file else local_path(value)
