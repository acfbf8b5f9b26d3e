"""Values as YAML text, the way a person would write them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from cockpit.recipe.number import number_text
from cockpit.recipe.yaml_source import scalar

_plain = re.compile(r"[A-Za-z0-9_./]([\w./+@~%()=,;!?:' -]*[\w./+@~%()=;!?'])?")
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
    if _plain.fullmatch(text) and text.isascii() and scalar(text) == text and text.lower() not in _yaml_1_1:
        if ": " not in text and not (in_flow and "," in text):
            return text
    return quoted(text)


def quoted(text: str) -> str:
    """The text in double quotes, with YAML's escapes."""
    return '"' + "".join(map(_escaped, text)) + '"'


def flow_text(value: object) -> str:
    """The value on one line: [a, b], {a: 1}."""
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{scalar_text(key, in_flow=True)}: {flow_text(one)}" for key, one in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow_text, value)) + "]"
    return scalar_text(value, in_flow=True)


def block_lines(value: object, indent: int) -> list[str]:
    """A mapping, or a list with `indent` blanks before each line; scalars in lists stay on one line."""
    blanks = " " * indent
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, one in value.items():
            lines += entry_lines(str(key), one, indent)
    elif isinstance(value, list | tuple):
        for one in value:
            inner = (
                block_lines(one, indent + 2) if isinstance(one, Mapping) and one else [blanks + "  " + flow_text(one)]
            )
            lines += [f"{blanks}- {inner[0].lstrip(' ')}", *inner[1:]]
    return lines


def entry_lines(key: str, value: object, indent: int) -> list[str]:
    """`key: value` as lines, the value below the key where it is a section or a list of sections."""
    start = " " * indent + scalar_text(key) + ":"
    if isinstance(value, Mapping) and value:
        return [start, *block_lines(value, indent + 2)]
    if isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value):
        return [start, *block_lines(value, indent + 2)]
    if isinstance(value, str) and "\n" in value.strip("\n") and _fits_block(value):
        header = "|" if value.endswith("\n") else "|-"
        return [
            f"{start} {header}",
            *(" " * (indent + 2) + line if line else "" for line in value.rstrip("\n").split("\n")),
        ]
    return [f"{start} {flow_text(value) if isinstance(value, list | tuple | Mapping) else scalar_text(value)}"]


def _fits_block(text: str) -> bool:
    """Whether a block scalar can hold the text exactly."""
    lines = text.split("\n")
    return (
        bool(lines[0])
        and not text.endswith("\n\n")
        and all(line == line.strip() and line.isprintable() for line in lines)
    )


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
