"""Values against the recipe model: everything that is wrong, in words made from the model."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import ValidationError

from cockpit.recipe.field_path import FieldPath, dotted
from cockpit.recipe.number import number_text
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schema import FieldPlace, FieldType, find_place, listed, place_of, places_by_name, section_fields
from cockpit.recipe.section import CONFLICT, NOT_ASKED, Section
from cockpit.recipe.yaml_source import scalar
from cockpit.text.plain_text import plain_line

Part = TypeVar("Part", bound=Section)
MOST_FAULTS = 50
"""Of more errors only so many are told."""


@dataclass(frozen=True)
class Fault:
    """What is wrong at a place. `conflict`: the value is fine alone, and does not go with others."""

    path: FieldPath
    wrong: str
    right: str
    conflict: bool = False


def validate(values: dict[str, Any], not_asked: Collection[str] = ()) -> tuple[Recipe | None, list[Fault]]:
    """The recipe, or all that is wrong: faults of single fields, and of combinations of those that are sound, without
    those of the recipe's fields that are `not_asked`."""
    return validate_part(Recipe, (), values, not_asked)


def validate_part(
    part: type[Part], at: FieldPath, values: dict[str, Any], not_asked: Collection[str] = ()
) -> tuple[Part | None, list[Fault]]:
    """The same for a section that stands alone, whose place in a recipe is `at`; paths begin there."""
    try:
        return part.model_validate(values, context={NOT_ASKED: not_asked}), []
    except ValidationError as error:
        faults = list(_faults(error, at))
    if all(fault.conflict for fault in faults):
        return None, faults
    single = [fault for fault in faults if not fault.conflict]
    if len(single) > MOST_FAULTS:
        return None, single
    return None, single + _conflicts(part, at, values, [fault.path for fault in single])


def _conflicts(part: type[Section], at: FieldPath, values: dict[str, Any], faulty: list[FieldPath]) -> list[Fault]:
    """Combinations that cannot work among the sound fields: the others are mended first, so that they can be seen."""
    mended = deepcopy(values)
    for path in sorted(faulty, key=len):
        _mend(mended, path, at)
    try:
        part.model_validate(mended)
    except ValidationError as error:
        found = [fault for fault in _faults(error, at) if fault.conflict]
        return [fault for fault in found if not any(_is_about(fault, path) for path in faulty)]
    return []


def _is_about(conflict: Fault, path: FieldPath) -> bool:
    """Whether the conflict may be there only because the field at `path` was mended."""
    names = [part for part in path if isinstance(part, str)]
    return conflict.path[: len(path)] == path or (bool(names) and names[-1] in conflict.wrong)


def _mend(values: Any, path: FieldPath, at: FieldPath) -> None:
    """Take what stands at `path` away, the values being those of `at`; put the plainest sound value there if something
    has to stand there."""
    for part in path[len(at) : -1]:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return
    place, last = find_place(path), path[-1]
    if isinstance(values, list):
        if isinstance(last, int) and last < len(values) and place is not None:
            values[last] = _plainest(place.type)
    elif isinstance(values, dict):
        values.pop(last, None)
        if place is not None and place.required:
            values[last] = _plainest(place.type)


def _plainest(kind: FieldType) -> Any:
    if kind.section is not None:
        fields = ((key, find) for key, find in _own_places(kind.section))
        return {key: _plainest(place.type) for key, place in fields if place.required}
    if kind.kind == "mapping":
        return {}
    if kind.item is not None:
        return [_plainest(kind.item)]
    if kind.choices:
        return kind.choices[0]
    return {"text": "-", "bool": False}.get(kind.kind, kind.minimum)


def _own_places(section: type[Section]) -> Iterator[tuple[str, FieldPlace]]:
    for key, info in section_fields(section).items():
        yield key, place_of((key,), info)


def _faults(error: ValidationError, at: FieldPath) -> Iterator[Fault]:
    singles: dict[FieldPath, Any] = {}
    for one in error.errors(include_url=False):
        path = _path(at, one["loc"])
        if one["type"] == CONFLICT:
            yield Fault(path, one["ctx"]["wrong"], one["ctx"]["right"], conflict=True)
        else:
            singles.setdefault(path, one)
    # A field of several types has an error for each; the innermost says most.
    around = {path[:depth] for path in singles for depth in range(len(path))}
    told = [path for path in singles if path not in around]
    for path in told[:MOST_FAULTS]:
        yield _fault(path, at, singles[path]["type"], singles[path]["input"])
    if len(told) > MOST_FAULTS:
        yield Fault(at, f"{len(told) - MOST_FAULTS:,} more errors", "mend these first")


def _path(at: FieldPath, location: tuple[str | int, ...]) -> FieldPath:
    """Pydantic's location, behind `at`, without the names of a union's members."""
    path = at
    for part in location:
        place = find_place(path)
        if place is not None and isinstance(part, str) and place.type.kind not in ("section", "mapping"):
            continue
        path += (part,)
    return path


def _fault(path: FieldPath, at: FieldPath, kind: str, value: object) -> Fault:
    if kind == "extra_forbidden":
        return unknown_field(path, at)
    place = find_place(path)
    if place is None:
        return Fault(path, "is not read here", "remove it")
    if kind == "missing":
        return Fault(path, "is missing", f"give {place.type.words}: {place.help.rstrip('.')}")
    if kind == "string_pattern_mismatch":
        return Fault(path, f"{shown(value)} cannot be a value here", f"give text such as {scalar_shown(place.default)}")
    return Fault(path, *refusal(place.type, value))


def unknown_field(path: FieldPath, at: FieldPath = ()) -> Fault:
    """What is wrong with a path that the model does not have, and which field may have been meant: one of the section
    at `at`, which stands alone."""
    depth = next(depth for depth in range(1, len(path) + 1) if find_place(path[:depth]) is None)
    around = find_place(path[: depth - 1])
    assert around is not None, "the recipe itself has a place"
    if around.type.section is None:
        field = dotted(path[len(at) : depth - 1])
        kind = f"{field} is a list" if around.type.item is not None else f"{field} has no fields of its own"
        return Fault(path, kind, f"write {field}{'.0 for its first element' if around.type.item else ''}")
    known = list(section_fields(around.type.section))
    where = dotted(path[len(at) : depth - 1]) or f"a {at[-1] if at else 'recipe'}"
    name = str(path[depth - 1])
    wrong = f"{where} has no such field"
    start = dotted((*at, "")) if at else ""
    elsewhere = [one.removeprefix(start) for one in places_by_name().get(name, ()) if one.startswith(start)]
    if elsewhere:
        return Fault(path, wrong, f"it stands at {listed(elsewhere[:3])}")
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return Fault(path, wrong, f"did you mean {close[0]}?")
    return Fault(path, wrong, f"it has {listed(known)}" if len(known) <= 8 else "'cockpit recipes schema' lists all")


def refusal(kind: FieldType, value: object) -> tuple[str, str]:
    """What is wrong with a value that the field cannot take, and what would be right."""
    right = f"give {kind.words}"
    if value is None:
        return "is empty", f"{right}, or remove the line" if kind.section else right
    if kind.kind in ("int", "float"):
        return _number_refusal(kind, value, right)
    if kind.kind == "choice" and isinstance(value, str | int) and not isinstance(value, bool):
        close = get_close_matches(str(value).lower(), [str(choice) for choice in kind.choices], n=1)
        hint = f"did you mean {close[0]}? {right[0].upper()}{right[1:]}" if close and len(kind.choices) > 1 else right
        return f"{shown(value)} is not one of the choices", hint
    if kind.kind == "text" and isinstance(value, str):
        return ("is empty text", "write something") if not value else (f"{shown(value)} is too long", "shorten it")
    if kind.kind == "list" and isinstance(value, list):
        wrong = [one for one in value if kind.item is not None and not _is_element(kind.item, one)]
        return refusal(kind.item, wrong[0]) if wrong and kind.item is not None else ("the list is empty", right)
    if kind.kind == "text" and isinstance(value, int | float):
        return f"{shown(value)} is not text", f'put it in quotes: "{scalar_shown(value)}"'
    if kind.kind == "bool" and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off", "true", "false"):
        meant = "true" if value.lower() in ("yes", "on", "true") else "false"
        return f"{shown(value)} is text", f"write {meant}, without quotes"
    if kind.kind == "bool":
        return f"{shown(value)} is {'a number' if isinstance(value, int | float) else 'neither true nor false'}", right
    return f"{shown(value)} is not {_noun(kind)}", right


def _is_element(kind: FieldType, value: object) -> bool:
    """Whether a list of texts or choices takes the value."""
    return value in kind.choices if kind.kind == "choice" else isinstance(value, str) and bool(value)


def _number_refusal(kind: FieldType, value: object, right: str) -> tuple[str, str]:
    if isinstance(value, str):
        in_quotes = isinstance(scalar(value), int | float)
        return f"{shown(value)} is text, not a number", f"{right}, without quotes" if in_quotes else right
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{shown(value)} is not a number", right
    if not math.isfinite(value):
        return f"{shown(value)} is not a finite number", right
    low, high = kind.minimum, kind.maximum
    if low is not None and (value < low or (kind.exclusive_minimum and value == low)):
        return f"{shown(value)} is below the smallest value" if value < low else f"{shown(value)} is too small", right
    if high is not None and (value > high or (kind.exclusive_maximum and value == high)):
        return f"{shown(value)} is above the largest value" if value > high else f"{shown(value)} is too large", right
    if value == int(value):
        return f"{shown(value)} is written with a point or an exponent", f"write {int(value)}"
    return f"{shown(value)} is not a whole number", right


def _noun(kind: FieldType) -> str:
    nouns = {"text": "text", "list": "a list", "mapping": "a mapping", "section": "a section"}
    return nouns.get(kind.kind, "one of the choices")


def scalar_shown(value: object) -> str:
    """A scalar as YAML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value)
    return plain_line(str(value))


def shown(value: object) -> str:
    """The value for an error: text in quotes, short, without control characters."""
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    text = scalar_shown(value)
    if len(text) > 40:
        text = text[:39] + "…"
    return f"'{text}'" if isinstance(value, str) else text
