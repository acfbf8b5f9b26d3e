"""What every part of a recipe has in common: unknown keys and wrong types are refused, docstrings are the help."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A group of fields. The docstring under a field is its help, everywhere that help is shown."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


def unit(name: str) -> dict[str, Any]:
    """The extra of a field that is counted in `name`s: `Field(json_schema_extra=unit("tokens"))`."""
    return {"unit": name}


__all__ = ["Field", "Section", "unit"]
