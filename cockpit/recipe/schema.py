"""Which field of the recipe model a dotted path names, and what may stand there, in plain words."""

from __future__ import annotations

import functools
import json
import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from cockpit.recipe.field_path import FieldPath, dotted
from cockpit.recipe.methods.registry import METHODS
from cockpit.recipe.number import number_text
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.section import Section


def section_fields(section: type[Section]) -> dict[str, FieldInfo]:
    """The section's fields by the key that stands in YAML, in the model's order."""
    return {info.alias or name: info for name, info in section.model_fields.items()}


@dataclass(frozen=True)
class FieldType:
    """What a field takes. Bounds are None where there are none; `item` is what a list holds, or a mapping of names."""

    kind: Literal["int", "float", "bool", "text", "choice", "list", "mapping", "section", "any"]
    optional: bool = False
    choices: tuple[str | int, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    section: type[Section] | None = None
    item: FieldType | None = None

    @property
    def words(self) -> str:
        """What would be right, for an error or a help line: `a whole number from 1 to 1024`."""
        return self._one() + (", or leave it empty" if self.optional else "")

    def _one(self) -> str:
        if self.kind == "list":
            assert self.item is not None
            several = {"text": "texts", "section": "sections", "int": "whole numbers", "float": "numbers"}
            named = f"a list of {several.get(self.item.kind, 'values')}"
            if self.item.kind == "choice":
                named = f"a list of: {listed(self.item.choices)}"
            return f"{listed(self.choices, quoted=True)} or {named}" if self.choices else named
        if self.kind == "mapping":
            assert self.item is not None
            return f"a mapping of names, each to {self.item.words}"
        if self.kind == "choice":
            return f"one of: {listed(self.choices)}" if len(self.choices) > 1 else str(self.choices[0])
        if self.section is not None:
            needed = [key for key, info in section_fields(self.section).items() if info.is_required()]
            return f"a section with {listed(needed)}" if needed else "a section with fields of its own"
        if self.kind in ("int", "float") and self.minimum == self.maximum is not None:
            return number_text(self.minimum)
        if self.kind in ("int", "float"):
            return ("a whole number" if self.kind == "int" else "a number") + self._range()
        return {"bool": "true or false", "text": "text", "any": "any value"}[self.kind]

    def _range(self) -> str:
        low, high = number_text(self.minimum), number_text(self.maximum)
        if self.minimum is None:
            return "" if self.maximum is None else f" {'below' if self.exclusive_maximum else 'up to'} {high}"
        start = f" above {low}" if self.exclusive_minimum else f" from {low}"
        if self.maximum is None:
            return start if self.exclusive_minimum else f"{start} up"
        if self.exclusive_maximum:
            return f"{start} to below {high}" if not self.exclusive_minimum else f"{start} and below {high}"
        return f"{start} and up to {high}" if self.exclusive_minimum else f"{start} to {high}"


@dataclass(frozen=True)
class FieldPlace:
    """A field that the model has."""

    path: FieldPath
    type: FieldType
    help: str
    default: object
    """PydanticUndefined where the field must be given."""
    extra: dict[str, Any]
    annotation: Any

    @functools.cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Checks a value for this field alone."""
        return TypeAdapter(self.annotation, config=None if self.type.section else ConfigDict(strict=True))

    @property
    def required(self) -> bool:
        return self.default is PydanticUndefined


@functools.lru_cache(maxsize=1024)
def find_place(path: FieldPath) -> FieldPlace | None:
    """The field at `path`, or None where the model has none. An index stands for any element of a list, a name for any
    of a mapping."""
    place = FieldPlace((), field_type(Recipe, ()), Recipe.__doc__ or "", PydanticUndefined, {}, Recipe)
    for depth, part in enumerate(path, start=1):
        section, item = place.type.section, place.type.item
        if section is not None and isinstance(part, str) and part in section_fields(section):
            place = place_of(path[:depth], section_fields(section)[part])
        elif place.type.kind == "list" and item is not None and isinstance(part, int):
            inner = get_args(next(one for one in _members(place.annotation) if get_origin(one) is list))[0]
            place = FieldPlace(path[:depth], item, place.help, PydanticUndefined, place.extra, inner)
        elif place.type.kind == "mapping" and item is not None and isinstance(part, str):
            inner = get_args(next(one for one in _members(place.annotation) if get_origin(one) is dict))[1]
            place = FieldPlace(path[:depth], item, place.help, PydanticUndefined, place.extra, inner)
        else:
            return None
    return place


@functools.cache
def places_by_name() -> dict[str, list[str]]:
    """All fields, dotted, by the last part of their paths."""
    found: dict[str, list[str]] = {}
    for place in all_places():
        found.setdefault(str(place.path[-1]), []).append(dotted(place.path))
    return found


@functools.cache
def all_places() -> tuple[FieldPlace, ...]:
    """Every field, sections themselves left out; a list of sections shows as its first element."""
    return tuple(_places(Recipe, ()))


def _places(section: type[Section], prefix: FieldPath) -> Iterator[FieldPlace]:
    for key, info in section_fields(section).items():
        place = place_of((*prefix, key), info)
        if place.type.section is not None:
            yield from _places(place.type.section, place.path)
        elif place.type.item is not None and place.type.item.section is not None:
            yield from _places(place.type.item.section, (*place.path, 0))
        else:
            yield place


def leaves(section: Section, prefix: FieldPath = ()) -> Iterator[tuple[FieldPath, Any]]:
    """Every field of a checked section and its value, elements of lists of sections each with their index.

    A section that may be left out whole and is there counts as one value.
    """
    for key, info in section_fields(type(section)).items():
        name = next(name for name, one in type(section).model_fields.items() if one is info)
        value = getattr(section, name)
        if isinstance(value, Section) and info.default is not None:
            yield from leaves(value, (*prefix, key))
        elif isinstance(value, list) and any(isinstance(one, Section) for one in value):
            for index, one in enumerate(value):
                yield from leaves(one, (*prefix, key, index))
        else:
            yield (*prefix, key), value


@functools.cache
def json_schema() -> str:
    """The recipe's JSON schema as text, line feed at the end: editors complete and check YAML with it."""
    own = [name for name, method in METHODS.items() if method.settings is not None]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Recipe.model_json_schema(by_alias=True),
        "allOf": [{"if": {"required": [one]}, "then": {"properties": {"method": {"const": one}}}} for one in own],
    }
    return json.dumps(schema, indent=2) + "\n"


def place_of(path: FieldPath, info: FieldInfo) -> FieldPlace:
    default = info.get_default(call_default_factory=True)
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    help_ = " ".join((info.description or "").split())
    metadata = tuple(info.metadata)
    annotation = Annotated[info.annotation, *metadata] if metadata else info.annotation
    return FieldPlace(path, field_type(info.annotation, metadata), help_, default, dict(extra), annotation)


def _members(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def field_type(annotation: Any, metadata: tuple[Any, ...]) -> FieldType:
    """The annotation of a field (and what pydantic keeps beside it) as a FieldType."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        kept: list[Any] = []
        for one in args[1:]:
            kept += one.metadata if isinstance(one, FieldInfo) else [one]
        return field_type(args[0], (*metadata, *kept))
    if origin in (Union, types.UnionType):
        members = [one for one in args if one is not type(None)]
        choices = [choice for one in members if get_origin(one) is Literal for choice in get_args(one)]
        others = [one for one in members if get_origin(one) is not Literal]
        found = field_type(others[0] if others else Literal[tuple(choices)], metadata)
        optional = type(None) in args
        return replace(found, optional=optional, choices=tuple(choices) if others else found.choices)
    if annotation is Any:
        return FieldType("any")
    if origin is Literal:
        return FieldType("choice", choices=args)
    if origin is list:
        return FieldType("list", item=field_type(args[0], ()))
    if origin is dict:
        return FieldType("mapping", item=field_type(args[1], ()))
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return FieldType("section", section=annotation)
    kinds: dict[Any, Literal["bool", "text"]] = {bool: "bool", str: "text"}
    if annotation in kinds:
        return FieldType(kinds[annotation])
    if annotation not in (int, float):
        raise TypeError(f"a recipe's field cannot be {annotation}")
    low = _bound(metadata, "ge", "gt")
    high = _bound(metadata, "le", "lt")
    kind: Literal["int", "float"] = "int" if annotation is int else "float"
    return FieldType(kind, minimum=low[0], exclusive_minimum=low[1], maximum=high[0], exclusive_maximum=high[1])


def _bound(metadata: tuple[Any, ...], inclusive: str, exclusive: str) -> tuple[float | None, bool]:
    for one in metadata:
        if (value := getattr(one, inclusive, None)) is not None:
            return value, False
        if (value := getattr(one, exclusive, None)) is not None:
            return value, True
    return None, False


def listed(names: tuple[str | int, ...] | list[str], *, quoted: bool = False) -> str:
    """The names with commas between them."""
    return ", ".join(f"'{name}'" if quoted else str(name) for name in names)
