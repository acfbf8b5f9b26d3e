"""Unsloth's chat templates by name, read from the installed package as text: nothing of it is imported or run."""

from __future__ import annotations

import ast
import functools
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cockpit.models.template_names import NAMES_FILE


@dataclass(frozen=True)
class NamedTemplate:
    """A template's text (Jinja), and the token that ends a turn; empty where it is the tokenizer's own.

    `takes_eos`: the turn's end is to take the place of the tokenizer's end of text.
    """

    text: str
    turn_end: str
    takes_eos: bool


@functools.cache
def named_templates() -> dict[str, NamedTemplate]:
    """Every template that can be told from the package's text, by name; empty where Unsloth is not installed."""
    found = importlib.util.find_spec("unsloth")
    places = list(found.submodule_search_locations or ()) if found else []
    try:
        tree = ast.parse((Path(places[0]) / "chat_templates.py").read_text(encoding="utf-8"))
    except (OSError, SyntaxError, IndexError, ValueError):
        return {}
    read = _Reader()
    for node in tree.body:
        read.take(node)
    filled = {name: _filled(template, read.systems.get(name)) for name, template in read.templates.items()}
    return {name: template for name, template in filled.items() if _PLACE not in template.text}


_PLACE = "{system_message}"
_TEMPLATES, _SYSTEMS = "CHAT_TEMPLATES", "DEFAULT_SYSTEM_MESSAGE"


def _filled(template: NamedTemplate, system: object) -> NamedTemplate:
    """The template with its usual system message, which stands inside a text of Jinja."""
    if not isinstance(system, str):
        return template
    escaped = system.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return replace(template, text=template.text.replace(_PLACE, escaped))


class _Reader:
    """Follows the assignments of a module that can be told without running it."""

    def __init__(self) -> None:
        self.templates: dict[str, NamedTemplate] = {}
        self.systems: dict[str, object] = {}
        self._values: dict[str, Any] = {}

    def take(self, node: ast.stmt) -> None:
        """One statement: an assignment, or a loop of them over names."""
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            for value in self._value(node.iter) or ():
                self._values[node.target.id] = value
                for inner in node.body:
                    self.take(inner)
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            return
        target, value = node.targets[0], self._value(node.value)
        if isinstance(target, ast.Name):
            self._values[target.id] = value
        elif isinstance(target, ast.Subscript):
            name = self._value(target.slice)
            if _table_of(target) == _SYSTEMS:
                self.systems[str(name)] = value
            elif _table_of(target) == _TEMPLATES and (template := _template(value)) is not None:
                self.templates[str(name)] = template

    def _value(self, node: ast.expr) -> Any:
        """What a constant, a name given before, a tuple, a sum of texts or a replacement in one comes to."""
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self._values.get(node.id)
            case ast.Tuple():
                return tuple(map(self._value, node.elts))
            case ast.Subscript():
                table = {_TEMPLATES: self.templates, _SYSTEMS: self.systems}.get(_table_of(node), {})
                return table.get(str(self._value(node.slice)))  # type: ignore[attr-defined]
            case ast.BinOp(op=ast.Add()):
                left, right = self._value(node.left), self._value(node.right)
                return left + right if isinstance(left, str) and isinstance(right, str) else None
            case ast.Call(func=ast.Attribute(attr="replace", value=inner), args=[old, new]):
                given = [self._value(one) for one in (inner, old, new)]
                return given[0].replace(given[1], given[2]) if all(isinstance(one, str) for one in given) else None
        return None


def _template(entry: Any) -> NamedTemplate | None:
    if isinstance(entry, NamedTemplate):
        return entry
    if not isinstance(entry, tuple) or len(entry) < 3 or not isinstance(entry[0], str):
        return None
    return NamedTemplate(entry[0], _turn_end(entry[1]), entry[2] is True)


def _table_of(node: ast.expr) -> str:
    """The name of the table that `node` is an entry of."""
    return node.value.id if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) else ""


def _turn_end(given: Any) -> str:
    """Some name it beside tokens that are to be renamed for it; "eos_token" stands for the tokenizer's own."""
    given = given[1] if isinstance(given, tuple) and len(given) > 1 else given
    return given if isinstance(given, str) and given != "eos_token" else ""


if __name__ == "__main__":
    NAMES_FILE.write_text("\n".join(named_templates()) + "\n", encoding="utf-8")
