"""How the script's lines are laid out: arguments with their reasons, a call, a comment"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cockpit.recipe.number import number_text
from cockpit.text.plain_text import plain_line

WIDTH = 100


@dataclass(frozen=True)
class Argument:
    """One argument of a call: its name, its value as code, and the recipe's field that it is."""

    name: str
    code: str
    field: str = ""


def literal(value: Any) -> str:
    """The value as Python's code, numbers as a person writes them."""
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, str):
        return '"' + "".join(map(_escaped, value)) + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(key)}: {literal(one)}" for key, one in value.items()) + "}"
    return repr(value)


def call(begin: str, arguments: Sequence[Argument], reasons: Mapping[str, str], end: str = ")") -> list[str]:
    """A call with an argument a line, and above each the reason for its value where there is one."""
    lines = [begin]
    for argument in arguments:
        lines += [f"    {line}" for line in comment(reasons.get(argument.field, ""))]
        name = f"{argument.name}=" if argument.name else ""
        lines.append(f"    {name}{argument.code},")
    return [*lines, end]


def comment(text: str) -> list[str]:
    """The text as lines of comment; none for none."""
    return [f"# {line}" for line in textwrap.wrap(plain_line(text), WIDTH)] if text else []


def docstring(title: str, *paragraphs: str) -> list[str]:
    """A docstring that ends nowhere within its texts, whatever is in them, and in which no cell begins."""

    def harmless(text: str) -> str:
        return plain_line(text).replace("\\", "/").replace('"""', "'''").replace("%%", "% %")

    lines = [line for text in paragraphs for line in ("", *textwrap.wrap(harmless(text), WIDTH))]
    return [f'"""{harmless(title)}', *lines, '"""']


def _escaped(character: str) -> str:
    """As it stands in a literal: quotes, and what is not seen or breaks a line, by its number."""
    if character in ('"', "\\"):
        return f"\\{character}"
    return character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
