"""The imported recipe as YAML: its fields, and what became no field as comments with the reasons"""

from __future__ import annotations

from typing import Any

from cockpit.importing.ledger import Ledger, Outcome
from cockpit.importing.settings import Setting
from cockpit.recipe.field_path import FieldPath
from cockpit.recipe.schema import find_place, section_fields
from cockpit.recipe.yaml_text import block_lines, flow_text
from cockpit.text.plain_text import plain_line, without_logins

LONGEST_VALUE = 80


def recipe_text(ledger: Ledger) -> str:
    """The recipe that `ledger` has settled on."""
    tool, file = plain_line(ledger.tool), plain_line(ledger.file)
    lines = [f"# Imported from {file} ({tool}): {share(ledger)}."]
    lines += block_lines(_in_order(ledger.values, ()), 0)
    if ledger.defaults:
        lines += ["", f"# What {tool} does where the file says nothing, and a recipe would do otherwise:"]
        lines += [f"#   {path}: {flow_text(value)}" for path, value in ledger.defaults.items()]
    if ledger.undone:
        lines += ["", f"# What {tool} does where the file says nothing, and a recipe cannot:"]
        lines += [f"#   {path}: {flow_text(value)}  -- {why}" for path, (value, why) in ledger.undone.items()]
    lines += _comments("Of no consequence here, or done anyway:", ledger.of("comment"))
    lines += _comments("Not carried over:", ledger.of("lost"))
    return "\n".join(lines) + "\n"


def share(ledger: Ledger) -> str:
    """How many of the settings are fields now, how many comments, how many are not carried over."""
    fields, comments, lost = (len(ledger.of(fate)) for fate in ("field", "comment", "lost"))
    total = fields + comments + lost
    percent = 100 * (fields + comments) / total if total else 100.0
    kept = f"{fields + comments} of {total} settings carried over ({percent:.0f} %)"
    return f"{kept}, {fields} as fields and {comments} as comments; {lost} not"


def told(outcome: Outcome) -> str:
    """A setting with its value and why it is no field."""
    return f"{shown(outcome.setting)}  -- {plain_line(outcome.why)}"


def shown(setting: Setting) -> str:
    """A setting with its value, short, and without what must stand in no recipe."""
    value = setting.value if isinstance(setting.value, str) else _flow(setting.value)
    text = without_logins(plain_line(str(value)))
    if any(word in setting.name.lower() for word in ("token", "api_key", "password", "secret")) and len(text) > 12:
        text = "..."
    text = text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
    return f"{plain_line(setting.name)}: {text}"


def _flow(value: Any) -> str:
    try:
        return flow_text(value)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def _comments(title: str, outcomes: list[Outcome]) -> list[str]:
    return ["", f"# {title}", *(f"#   {told(one)}" for one in outcomes)] if outcomes else []


def _in_order(values: Any, path: FieldPath) -> Any:
    """The values with keys in the order of the model's fields."""
    if isinstance(values, list):
        return [_in_order(one, (*path, index)) for index, one in enumerate(values)]
    if not isinstance(values, dict):
        return values
    place = find_place(path)
    section = None if place is None else place.type.section
    if section is None and place is not None and place.type.item is not None:
        section = place.type.item.section
    order = list(section_fields(section)) if section is not None else []
    keys = sorted(values, key=lambda key: order.index(key) if key in order else len(order))
    return {key: _in_order(values[key], (*path, key)) for key in keys}
