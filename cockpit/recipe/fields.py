"""The recipe as a form: its fields in groups, what each takes, text in and out. Generated from the model.

Sections that may be left out whole (lora.loftq_config) and lists of sections (chat.presets, all sources of data but
the first) are left to the YAML file.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ValidationError

from cockpit.recipe.field_path import dotted
from cockpit.recipe.not_yet import is_not_yet, served_choices
from cockpit.recipe.number import number_text
from cockpit.recipe.schema import FieldPlace, all_places
from cockpit.recipe.setting import setting_value
from cockpit.recipe.validation import refusal

Kind = Literal["int", "float", "bool", "choice", "text", "names", "path"]

GROUPS = {
    "backend": "Model",
    "finetuning_type": "Model",
    "model": "Model",
    "hardware": "Model",
    "lora": "LoRA",
    "data": "Data",
    "training": "Training",
    "output": "Output",
}
"""Group of each part of a recipe; parts that are not named here are left to the YAML file."""


@dataclass(frozen=True)
class FormField:
    """One field of the form. Bounds are None where there are none."""

    path: str
    label: str
    group: str
    help: str
    kind: Kind
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    exclusive_minimum: bool
    exclusive_maximum: bool
    unit: str
    default: object
    """None where there is no default or where it is empty."""
    optional: bool
    """May be left empty."""
    suffixes: tuple[str, ...]
    """Of files that fit, for a field of kind path; none of them means folders."""
    place: FieldPlace = field(compare=False, repr=False)


@functools.cache
def form_fields() -> tuple[FormField, ...]:
    """All fields of the form, group after group, in the model's order; those the engine cannot serve yet left out."""
    found = [_form_field(place) for place in all_places() if place.path[0] in GROUPS and not is_not_yet(place.path)]
    order = list(dict.fromkeys(GROUPS.values()))
    return tuple(sorted((one for one in found if one is not None), key=lambda one: order.index(one.group)))


def parse_field(field: FormField, text: str) -> object:
    """The value that `text` means for the field. Raises ValueError with one sentence where it means none."""
    kind = field.place.type
    value = setting_value(field.place, text)
    if value is None and field.optional:
        return None
    if not _fits(field.place, value):
        wrong, right = refusal(kind, value if text.strip() else None)
        raise ValueError(f"{wrong}; {right}")
    return float(value) if kind.kind == "float" and isinstance(value, int) else value


def format_value(value: object) -> str:
    """The value as the form shows it; `parse_field` reads it back. Empty for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _form_field(place: FieldPlace) -> FormField | None:
    kind, names = place.type, place.type.item is not None
    if kind.section is not None or (kind.item is not None and kind.item.section is not None):
        return None
    if "path" in place.extra:
        shown: Kind = "path"
    else:
        shown = "names" if names else kind.kind  # type: ignore[assignment]
    return FormField(
        path=dotted(place.path),
        label=dotted(place.path[1:]).removeprefix("sources.0.") or str(place.path[0]),
        group=GROUPS[str(place.path[0])],
        help=place.help,
        kind=shown,
        choices=served_choices(place.path, tuple(map(str, kind.choices or (kind.item.choices if kind.item else ())))),
        minimum=kind.minimum,
        maximum=kind.maximum,
        exclusive_minimum=kind.exclusive_minimum,
        exclusive_maximum=kind.exclusive_maximum,
        unit=str(place.extra.get("unit", "")),
        default=None if place.required else place.default,
        optional=kind.optional,
        suffixes=tuple(place.extra.get("path", ())),
        place=place,
    )


def _fits(place: FieldPlace, value: object) -> bool:
    try:
        place.adapter.validate_python(value)
    except ValidationError:
        return False
    return True
