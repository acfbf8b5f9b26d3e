"""A value of another tool's file -> what a field of the recipe takes"""

from __future__ import annotations

from typing import Any

from cockpit.recipe.schema import FieldType
from cockpit.recipe.validation import refusal
from cockpit.recipe.yaml_source import scalar

TRUE, FALSE = ("true", "yes", "on", "y", "1"), ("false", "no", "off", "n", "0")


def as_field(kind: FieldType, value: Any) -> tuple[Any, str]:
    """The value as the field's type, and empty text; or None, and why the field cannot take it."""
    found = _converted(kind, value)
    if _fits(kind, found):
        return found, ""
    wrong, right = refusal(kind, value)
    return None, f"{wrong}; {right}"


def _converted(kind: FieldType, value: Any) -> Any:
    if kind.choices and value in kind.choices:
        return value
    if kind.kind in ("int", "float") and isinstance(value, str):
        value = scalar(value.strip().replace("_", ""))
    if kind.kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind.kind == "bool":
        return as_bool(value)
    if kind.kind == "text" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if kind.kind == "choice" and isinstance(value, str):
        return value.strip().lower()
    if kind.kind == "list" and isinstance(value, str):
        return names_in(value)
    if kind.kind == "list" and isinstance(value, tuple | set | frozenset):
        return list(value)
    return value


def as_bool(value: Any) -> Any:
    """True or False where the value means one of them, as text too; else the value."""
    text = str(value).strip().lower()
    return True if text in TRUE else False if text in FALSE else value


def names_in(text: str) -> list[str]:
    """The names in a text with commas between them, brackets around them or not."""
    return [name for one in text.strip("[]() ").split(",") if (name := one.strip(" '\""))]


def _fits(kind: FieldType, value: Any) -> bool:
    if kind.choices and value in kind.choices and not isinstance(value, bool):
        return True
    if kind.kind in ("int", "float"):
        is_number = isinstance(value, int if kind.kind == "int" else int | float) and not isinstance(value, bool)
        return is_number and _is_within(kind, value)
    if kind.kind == "bool":
        return isinstance(value, bool)
    if kind.kind == "text":
        return isinstance(value, str) and bool(value)
    if kind.kind == "list":
        return isinstance(value, list) and all(kind.item is None or _fits(kind.item, one) for one in value)
    return kind.kind in ("mapping", "section", "any") and isinstance(value, dict)


def _is_within(kind: FieldType, value: float) -> bool:
    low, high = kind.minimum, kind.maximum
    if value != value:
        return False
    above = low is None or value > low or (value == low and not kind.exclusive_minimum)
    below = high is None or value < high or (value == high and not kind.exclusive_maximum)
    return above and below
