"""Values as YAML text, the way a person would write them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from cockpit.recipe.number import number_text
from cockpit.recipe.yaml_source import scalar

_plain = re.compile(r"[A-Za-z0-9_./](?:[\w./+@~%()=,;!?'-]|:(?=\S)| (?=[^\s#]))*", re.ASCII)
_like_a_number = re.compile(r"[\d.][\d_:.-]*")
_yaml_1_1 = {"y", "n", "yes", "no", "on", "off"}
"""Read as true and false by older YAML readers, and so written in quotes."""


def scalar_text(value: object, *, in_flow: bool = False) -> str:
    """One scalar: None, a bool, a number or a string; `in_flow` for inside of [] and {}."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float_text(value)
    text = str(value)
    read_otherwise = scalar(text) != text or text.lower() in _yaml_1_1 or _like_a_number.fullmatch(text)
    if _plain.fullmatch(text) and not read_otherwise and not (in_flow and "," in text):
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """The text in double quotes, with YAML's escapes."""
    return '"' + "".join(map(_escaped, text)) + '"'


def flow_text(value: object) -> str:
    """The value on one line: [a, b], {a: 1}."""
    if isinstance(value, Mapping):
        entries = (f"{scalar_text(key, in_flow=True)}: {flow_text(one)}" for key, one in value.items())
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow_text, value)) + "]"
    return scalar_text(value, in_flow=True)


def block_lines(value: object, indent: int) -> list[str]:
    """A mapping or a list, `indent` blanks before each line; lists of scalars below it stay on one line."""
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, one in value.items():
            lines += entry_lines(str(key), one, indent)
    elif isinstance(value, list | tuple):
        for one in value:
            inner = block_lines(one, indent + 2) if isinstance(one, Mapping) and one else [flow_text(one)]
            lines += [f"{' ' * indent}- {inner[0].lstrip(' ')}", *inner[1:]]
    return lines


def entry_lines(key: str, value: object, indent: int) -> list[str]:
    """`key: value` as lines, the value below the key where it is a section or a list of sections."""
    start = " " * indent + scalar_text(key) + ":"
    if is_block(value):
        return [start, *block_lines(value, indent + 2)]
    if isinstance(value, str) and _fits_block_scalar(value):
        below = [" " * (indent + 2) + line if line else "" for line in value.rstrip("\n").split("\n")]
        return [f"{start} {'|' if value.endswith(chr(10)) else '|-'}", *below]
    return [f"{start} {flow_text(value) if isinstance(value, list | tuple | Mapping) else scalar_text(value)}"]


def is_block(value: object) -> bool:
    """Whether the value is written below its key: a section, or a list of sections."""
    if isinstance(value, list | tuple):
        return any(isinstance(one, Mapping) for one in value)
    return isinstance(value, Mapping) and bool(value)


def _fits_block_scalar(text: str) -> bool:
    """Whether the text has several lines, more than one and its end, and a block scalar can hold it exactly."""
    lines = text.split("\n")
    if len(lines) < 3 or not lines[0] or text.endswith("\n\n"):
        return False
    return all(line == line.strip() and (not line or line.isprintable()) for line in lines)


def _float_text(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    text = number_text(value)
    return text if "e" in text or "." in text else f"{text}.0"


def _escaped(char: str) -> str:
    simple = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    if char in simple:
        return simple[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
