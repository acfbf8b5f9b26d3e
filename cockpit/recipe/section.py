"""What every part of a recipe has in common: unknown keys and wrong types are refused, docstrings are the help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

CONFLICT = "conflict"
"""Pydantic's error type of a combination that cannot work; its context holds `wrong` and `right`."""

NOT_ASKED = "not_asked"
"""Pydantic's context: the fields whose conflicts are not told, as those of a run from which some were taken."""


class Conflict(NamedTuple):
    """Fields that are fine alone and cannot work together. `field` is a dotted path, from the section that finds it."""

    field: str
    wrong: str
    right: str


class Section(BaseModel):
    """A group of fields. The docstring under a field is its help, everywhere that help is shown."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    def conflicts(self) -> Iterator[Conflict]:
        """Every combination of this section's fields that cannot work."""
        yield from ()

    @model_validator(mode="after")
    def _refuse_conflicts(self, info: ValidationInfo) -> Self:
        not_asked = (info.context or {}).get(NOT_ASKED, ())
        found = [one for one in self.conflicts() if one.field not in not_asked]
        if found:
            raise ValidationError.from_exception_data(type(self).__name__, [_line_error(one) for one in found])
        return self


def _line_error(conflict: Conflict) -> InitErrorDetails:
    location = tuple(int(part) if part.isdigit() else part for part in conflict.field.split("."))
    context = {"wrong": conflict.wrong, "right": conflict.right}
    return InitErrorDetails(type=PydanticCustomError(CONFLICT, "{wrong}; {right}", context), loc=location, input=None)


def unit(name: str) -> dict[str, Any]:
    """The extra of a field that is counted in `name`s: `Field(json_schema_extra=unit("tokens"))`."""
    return {"unit": name}


def place(*suffixes: str) -> dict[str, Any]:
    """The extra of a field that may name a path: a form completes it. `suffixes` are those of files that fit."""
    return {"path": list(suffixes)}


__all__ = ["CONFLICT", "NOT_ASKED", "Conflict", "Field", "Section", "place", "unit"]
