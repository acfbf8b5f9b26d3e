"""The recipe as a form: its fields in groups, what each takes, text in and out. Generated from the model.

A field of a section that may be left out whole (lora.loftq_config) is empty until a value puts the section in.
chat.presets, suite and grpo.rewards are left to the YAML file; sources of data are added and taken away there, and
replayed and validation rows whose form must be told are described there.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import ValidationError

from cockpit.recipe.field_path import FieldPath, dotted
from cockpit.recipe.methods.registry import METHODS
from cockpit.recipe.number import number_text
from cockpit.recipe.scheduler import SETTINGS
from cockpit.recipe.schema import FieldPlace, all_places, find_place
from cockpit.recipe.setting import setting_value
from cockpit.recipe.unsupported import is_unsupported
from cockpit.recipe.validation import refusal
from cockpit.recipe.yaml_text import scalar_text

Kind = Literal["int", "float", "bool", "choice", "text", "names", "path"]

GROUPS: dict[str, str] = {
    "backend": "Model",
    "finetuning_type": "Model",
    "model": "Model",
    "hardware": "Model",
    "lora": "LoRA",
    "data": "Data",
    "method": "Training",
    **{name: "Training" for name, method in METHODS.items() if method.settings is not None},
    "training": "Training",
    "samples": "Samples",
    "evaluation": "Samples",
    "watchdogs": "Watchdogs",
    "lifecycle": "Output",
    "output": "Output",
}
"""Group of each part of a recipe; parts that are not named here are left to the YAML file."""


COMMON = {
    "Model": ("backend", "finetuning_type", "model.name_or_path", "model.max_seq_length", "model.quantization",
              "model.adapter", "hardware.gpu"),
    "LoRA": ("lora.r", "lora.lora_alpha", "lora.lora_dropout", "lora.target_modules"),
    "Data": ("data.sources.name_or_path", "data.sources.split", "data.sources.format", "data.sources.max_rows",
             "data.sources.ratio", "data.replay.name_or_path", "data.replay.share", "data.chat_template",
             "data.train_on", "data.eval_rows", "data.validation.name_or_path", "data.long_rows", "data.duplicates"),
    "Training": ("method", *(name for name, method in METHODS.items() if method.settings is not None),
                 "training.per_device_train_batch_size", "training.gradient_accumulation_steps", "training.fit",
                 "training.max_steps", "training.num_train_epochs", "training.learning_rate",
                 "training.lr_scheduler_type", "training.lr_scheduler_kwargs", "training.warmup_steps",
                 "training.optim", "training.packing",
                 "training.gradient_checkpointing", "training.eval_steps", "training.early_stopping_patience",
                 "training.seed"),
    "Samples": ("samples.prompts", "samples.every_steps", "samples.max_new_tokens", "evaluation.rows",
                "evaluation.suite", "evaluation.every_steps"),
    "Output": ("output.run_name", "output.save_steps", "output.save_total_limit", "output.report_to"),
}  # fmt: skip
"""What most people look at or change, by group; a group that is not named here is shown whole."""

SOURCE = ("data", "sources", 0)
OTHER_ROWS = ("replay", "validation")
SHOWN_OF_THEM = ("name_or_path", "share", "split", "max_rows")
"""The rest of these sections of data is left to the YAML file."""


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
    left_out_with: str
    """The section around it that may be left out whole; empty where there is none. A choice left empty does that, and
    what the section must have."""
    suffixes: tuple[str, ...]
    """Of files that fit, for a field of kind path; none of them means folders."""
    schedulers: tuple[str, ...]
    """The choices of training.lr_scheduler_type that have this setting; empty for a field that is no such setting."""
    methods: tuple[str, ...]
    """The methods that have the field; empty for a field that all of them have."""
    is_common: bool
    """Whether most people look at it."""
    place: FieldPlace = field(compare=False, repr=False)


@functools.cache
def form_fields(sources: int = 1) -> tuple[FormField, ...]:
    """All fields of the form, group after group, in the model's order, for a recipe with so many sources of data.

    Those that the engine cannot serve yet are left out.
    """
    known = all_places()
    of_source = [place for place in known if place.path[:3] == SOURCE]
    places: list[FieldPlace] = []
    for place in known:
        if place.path[:3] != SOURCE:
            places.append(place)
        elif place is of_source[0]:
            indices = range(sources)
            places += [replace(one, path=(*SOURCE[:2], index, *one.path[3:])) for index in indices for one in of_source]
    shown = [place for place in places if place.path[0] in GROUPS and not is_left_to_yaml(place.path)]
    found = [_form_field(place) for place in shown if not is_unsupported(place.path)]
    order = list(dict.fromkeys(GROUPS.values()))
    fields = sorted((one for one in found if one is not None), key=lambda one: order.index(one.group))
    if sources == 1:
        fields = [replace(one, label=one.label.removeprefix("sources.0.")) for one in fields]
    return tuple(fields)


def is_left_to_yaml(path: FieldPath) -> bool:
    """Whether the field is a reward, or describes other rows than those of the sources in more than a few words."""
    return path[:2] == ("grpo", "rewards") or (
        len(path) > 2 and path[0] == "data" and path[1] in OTHER_ROWS and path[2] not in SHOWN_OF_THEM
    )


def parse_field(field: FormField, text: str) -> object:
    """The value that `text` means for the field. Raises ValueError with one sentence where it means none."""
    kind = field.place.type
    if not text.strip() and field.left_out_with and field.place.required:
        return None
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
    if isinstance(value, dict):
        return ", ".join(f"{scalar_text(name, in_flow=True)}: {format_value(one)}" for name, one in value.items())
    if not isinstance(value, list | tuple):
        return str(value)
    items = [str(item) for item in value]
    is_plain = all(item == item.strip() and not set(item) & set(",[]\"'#\n") for item in items)
    return ", ".join(items) if is_plain else json.dumps(items, ensure_ascii=False)


def _form_field(place: FieldPlace) -> FormField | None:
    kind, names = place.type, place.type.kind == "list"
    if kind.section is not None or (kind.item is not None and kind.item.section is not None):
        return None
    if "path" in place.extra:
        shown: Kind = "path"
    else:
        shown = "names" if names else "text" if kind.kind == "mapping" else kind.kind  # type: ignore[assignment]
    around = (find_place(place.path[:depth]) for depth in range(1, len(place.path)))
    left_out = next((dotted(one.path) for one in around if one and one.type.section and one.type.optional), "")
    schedulers = _schedulers(place)
    return FormField(
        path=dotted(place.path),
        label=str(place.path[-1]) if schedulers else dotted(place.path[1:]) or str(place.path[0]),
        group=GROUPS[str(place.path[0])],
        help=place.help,
        kind=shown,
        choices=tuple(map(str, kind.choices or (kind.item.choices if kind.item and names else ()))),
        minimum=kind.minimum,
        maximum=kind.maximum,
        exclusive_minimum=kind.exclusive_minimum,
        exclusive_maximum=kind.exclusive_maximum,
        unit=str(place.extra.get("unit", "")),
        default=None if place.required else place.default,
        optional=kind.optional or bool(left_out),
        left_out_with=left_out,
        suffixes=tuple(place.extra.get("path", ())),
        schedulers=schedulers,
        methods=(str(place.path[0]),) if place.path[0] in METHODS else (),
        is_common=_is_common(place),
        place=place,
    )


def _schedulers(place: FieldPlace) -> tuple[str, ...]:
    if dotted(place.path[:-1]) != "training.lr_scheduler_kwargs":
        return ()
    return tuple(kind for kind, names in SETTINGS.items() if place.path[-1] in names)


def _is_common(place: FieldPlace) -> bool:
    paths = COMMON.get(GROUPS[str(place.path[0])])
    path = dotted(tuple(part for part in place.path if not isinstance(part, int)))
    return paths is None or path in paths or dotted(place.path[:-1]) in paths


def _fits(place: FieldPlace, value: object) -> bool:
    try:
        place.adapter.validate_python(value)
    except ValidationError:
        return False
    return True
