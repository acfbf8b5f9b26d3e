"""Changes one value in YAML text and leaves all else as it stands: comments, order, blank lines, quotes.

ruamel's own round trip (load, set, dump) writes the whole file anew and cannot do that. A key that is added at the end
of a section lands below the comment that introduces the next section; a list that is replaced loses the comments that
follow it; and even without a change, indented lists, sections indented by four, aligned values, spaces inside brackets,
wrapped plain text and a leading --- come back in ruamel's layout. tests/recipe/test_yaml_edit.py shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cockpit.recipe.field_path import FieldPath
from cockpit.recipe.yaml_source import parse, scalar
from cockpit.recipe.yaml_text import block_lines, entry_lines, flow_text, is_block, scalar_text

KeyOrder = Callable[[FieldPath], Sequence[str]]
"""The keys that a section may have, in the order in which new ones are to stand."""


def with_value(text: str, path: FieldPath, value: object, key_order: KeyOrder) -> str:
    """`text` with `value` at `path`: replaced where the file has it, added in its section where it has not.

    Raises RecipeError where the text is no mapping in YAML.
    """
    source = parse(text, "")
    at = _Spot(source.root, None, None)
    for depth, part in enumerate(path):
        below = at.child(part)
        if below is None:
            return _Edit(source.text).add(at, path[:depth], path[depth:], value, key_order)
        at = below
    return _Edit(source.text).replace(at, value)


@dataclass(frozen=True)
class _Spot:
    """A value's node, its key's node (None in a list), and what it stands in."""

    node: Any
    key: Any
    around: _Spot | None

    def child(self, part: str | int) -> _Spot | None:
        if self.node.id == "mapping":
            return next((_Spot(value, key, self) for key, value in self.node.value if key.value == part), None)
        if self.node.id == "sequence" and isinstance(part, int) and part < len(self.node.value):
            return _Spot(self.node.value[part], None, self)
        return None

    @property
    def in_flow(self) -> bool:
        """Whether it stands inside [] or {}."""
        return self.around is not None and (bool(self.around.node.flow_style) or self.around.in_flow)

    @property
    def is_empty(self) -> bool:
        """A null that is not written."""
        return bool(self.node.id == "scalar" and self.node.start_mark.index == self.node.end_mark.index)


class _Edit:
    def __init__(self, text: str) -> None:
        self.text = text

    def add(self, at: _Spot, path: FieldPath, rest: FieldPath, value: object, key_order: KeyOrder) -> str:
        """Put `value` at `rest` below the section or list `at`, which has no such entry."""
        for part in reversed(rest[1:]):
            value = {part: value} if isinstance(part, str) else [value]
        node, new = at.node, rest[0]
        if node.id == "scalar":
            return self.replace(at, {new: value} if isinstance(new, str) else [value])
        if node.id == "sequence":
            return self.replace(at, [*map(_value, node.value), value])
        keys = [key.value for key, _ in node.value]
        names = list(key_order(path))
        before = [name for name in names[: names.index(new)] if name in keys] if new in names else keys
        after = at.child(before[-1]) if before else None
        if node.flow_style:
            return self._add_in_braces(at, after, f"{scalar_text(new, in_flow=True)}: {flow_text(value)}")
        return self._add_lines(at, after, str(new), value)

    def _add_in_braces(self, section: _Spot, after: _Spot | None, entry: str) -> str:
        if after is not None:
            end = self._end(after)
            return self._spliced(end, end, f"{' ' if after.is_empty else ''}, {entry}")
        start = section.node.start_mark.index + 1
        return self._spliced(start, start, entry + (", " if section.node.value else ""))

    def _add_lines(self, section: _Spot, after: _Spot | None, key: str, value: object) -> str:
        first = section.node.value[0][0].start_mark
        lines = entry_lines(key, value, first.column)
        if after is None:
            entry = "\n".join(lines).lstrip(" ")
            return self._spliced(first.index, first.index, f"{entry}\n{' ' * first.column}")
        end = self.text.find("\n", self._end(after))
        end = len(self.text) if end < 0 else end
        below = self.text[end:].lstrip(" ")
        apart = section.around is None and is_block(value) and (below.startswith("\n\n") or not below.strip())
        last = "\n" if end == len(self.text) else ""
        return self._spliced(end, end, ("\n\n" if apart else "\n") + "\n".join(lines) + last)

    def replace(self, at: _Spot, value: object) -> str:
        """Put `value` in the place of what stands at `at`."""
        node, around = at.node, at.around
        assert around is not None, "the whole file is never replaced"
        written_scalar = node.id == "scalar" and not at.is_empty and node.style not in ("|", ">")
        if around.node.id == "sequence" and (is_block(value) or not written_scalar):
            return self.replace(around, [value if one is node else _value(one) for one in around.node.value])
        start, end = node.start_mark.index, self._end(at)
        if at.in_flow:
            return self._spliced(min(start, end), end, (" " if at.is_empty else "") + flow_text(value))
        if written_scalar and not is_block(value):
            return self._spliced(start, end, flow_text(value) if isinstance(value, list | dict) else scalar_text(value))
        if node.id == "sequence" and not node.flow_style and isinstance(value, list) and value:
            return self._spliced(start, end, "\n".join(block_lines(value, node.start_mark.column)).lstrip(" "))
        return self._replace_after_colon(at, value, start, end)

    def _replace_after_colon(self, at: _Spot, value: object, start: int, end: int) -> str:
        """The new value takes another shape than the old one: all behind the key is written anew, but its comment."""
        colon = self.text.index(":", at.key.end_mark.index) + 1
        if at.is_empty:
            start = end = (self.text + "\n").find("\n", colon)
        behind_key = self.text[colon : max(colon, min(start, end))].split("\n")[0].strip()
        comment = f"  {behind_key}" if behind_key.startswith("#") else ""
        first, *below = entry_lines("k", value, at.key.start_mark.column)
        first = first.lstrip(" ").removeprefix("k:")
        return self._spliced(colon, max(colon, end), "\n".join([first + comment, *below]))

    def _end(self, at: _Spot) -> int:
        """Where the value's own text ends; ruamel's mark of a block lies behind the comments that follow it."""
        node = at.node
        end = int(node.end_mark.index)
        if at.is_empty and at.key is not None:
            colon = self.text.find(":", at.key.end_mark.index)
            return colon + 1 if 0 <= colon < end else int(at.key.end_mark.index)
        if at.is_empty:
            return self._before_comments(end)
        if node.id == "scalar":
            start = int(node.start_mark.index)
            return start + len(self.text[start:end].rstrip("\n ")) if node.style in ("|", ">") else end
        if node.flow_style or not node.value:
            return end
        last = node.value[-1]
        return self._end(_Spot(last[1], last[0], at) if isinstance(last, tuple) else _Spot(last, None, at))

    def _before_comments(self, end: int) -> int:
        lines = self.text[:end].split("\n")
        while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
            lines.pop()
        return len("\n".join(lines))

    def _spliced(self, start: int, end: int, written: str) -> str:
        return self.text[:start] + written + self.text[end:]


def _value(node: Any) -> object:
    if node.id == "mapping":
        return {key.value: _value(value) for key, value in node.value}
    if node.id == "sequence":
        return [_value(item) for item in node.value]
    return scalar(node.value) if node.style is None else node.value
