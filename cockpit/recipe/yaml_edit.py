"""Changes one value in YAML text and leaves all else as it stands: comments, order, blank lines, quotes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cockpit.recipe.field_path import FieldPath
from cockpit.recipe.yaml_source import YamlSource, parse, scalar
from cockpit.recipe.yaml_text import block_lines, entry_lines, flow_text, scalar_text

KeyOrder = Callable[[FieldPath], Sequence[str]]
"""The keys that a section may have, in the order in which new ones are to stand."""


def with_value(text: str, place: FieldPath, value: object, key_order: KeyOrder) -> str:
    """`text` with `value` at `place`: replaced where the file has it, added in its section where it has not.

    The text must be a mapping in YAML. Raises RecipeError where it is not.
    """
    return _Edit(parse(text, "")).put(place, value, key_order)


class _Edit:
    def __init__(self, source: YamlSource) -> None:
        self.text = source.text
        self.root = source.root

    def put(self, place: FieldPath, value: object, key_order: KeyOrder) -> str:
        node, key_node, parents = self.root, None, list[tuple[Any, Any]]()
        for depth, part in enumerate(place):
            child = _child(node, part)
            if child is None:
                return self._add(node, key_node, parents, place[:depth], place[depth:], value, key_order)
            parents.append((node, key_node))
            key_node, node = child
        return self._replace(node, key_node, parents, value)

    def _add(
        self,
        node: Any,
        key_node: Any,
        parents: list[Any],
        place: FieldPath,
        rest: FieldPath,
        value: object,
        order: KeyOrder,
    ) -> str:
        for part in reversed(rest[1:]):
            value = {part: value} if isinstance(part, str) else [value]
        if node.id == "scalar":
            inner: object = {rest[0]: value} if isinstance(rest[0], str) else [value]
            return self._replace(node, key_node, parents, inner)
        if node.id == "sequence":
            return self._replace(node, key_node, parents, [*map(_value, node.value), value])
        keys = [key.value for key, _ in node.value]
        names = list(order(place))
        before = [name for name in names[: names.index(rest[0])] if name in keys] if rest[0] in names else keys
        after = keys.index(before[-1]) if before else None
        if node.flow_style:
            return self._add_in_braces(node, after, f"{scalar_text(rest[0], in_flow=True)}: {flow_text(value)}")
        return self._add_lines(node, after, str(rest[0]), value)

    def _add_in_braces(self, node: Any, after: int | None, entry: str) -> str:
        if after is not None:
            at = self._end(node.value[after][1], node.value[after][0])
            return self._spliced(at, at, f", {entry}")
        at = node.start_mark.index + 1
        return self._spliced(at, at, entry + (", " if node.value else ""))

    def _add_lines(self, node: Any, after: int | None, key: str, value: object) -> str:
        first = node.value[0][0].start_mark
        lines = entry_lines(key, value, first.column)
        if after is None:
            entry = "\n".join(lines).lstrip(" ")
            return self._spliced(first.index, first.index, f"{entry}\n{' ' * first.column}")
        key_node, value_node = node.value[after]
        end = self.text.find("\n", self._end(value_node, key_node))
        if end < 0:
            end = len(self.text)
        parted = node is self.root and isinstance(value, dict) and self.text[end : end + 2] in ("\n\n", "\n", "")
        return self._spliced(end, end, ("\n\n" if parted else "\n") + "\n".join(lines))

    def _replace(self, node: Any, key_node: Any, parents: list[Any], value: object) -> str:
        parent, parent_key = parents[-1]
        in_flow = any(one.flow_style for one, _ in parents)
        whole_item = node.id == "scalar" and node.start_mark.index < node.end_mark.index and not _is_block(value)
        if parent.id == "sequence" and not whole_item:
            items = [value if one is node else _value(one) for one in parent.value]
            return self._replace(parent, parent_key, parents[:-1], items)
        start, end = node.start_mark.index, self._end(node, key_node)
        if in_flow or whole_item and node.style not in ("|", ">"):
            written = flow_text(value) if in_flow or isinstance(value, list | dict) else scalar_text(value)
            return self._spliced(
                *((start, end) if end > start else (end, end)), written if end > start else f" {written}"
            )
        if node.id == "sequence" and not node.flow_style and isinstance(value, list) and value:
            return self._spliced(start, end, "\n".join(block_lines(value, node.start_mark.column)).lstrip(" "))
        colon = self.text.index(":", key_node.end_mark.index) + 1
        comment = self.text[colon : max(colon, min(start, end))].split("\n")[0].strip()
        comment = f"  {comment}" if comment.startswith("#") else ""
        written = entry_lines("k", value, key_node.start_mark.column)
        first = written[0].lstrip(" ").removeprefix("k:")
        return self._spliced(colon, max(colon, end), "\n".join([first + comment, *written[1:]]))

    def _end(self, node: Any, key_node: Any) -> int:
        """Where the value's own text ends; ruamel's mark of a block lies behind the comments that follow it."""
        if node.id == "scalar":
            start, end = node.start_mark.index, node.end_mark.index
            if start == end and key_node is not None:
                colon = self.text.find(":", key_node.end_mark.index)
                return colon + 1 if 0 <= colon < start else int(key_node.end_mark.index)
            if node.style in ("|", ">"):
                return int(start + len(self.text[start:end].rstrip("\n ")))
            return int(end)
        if node.flow_style or not node.value:
            return int(node.end_mark.index)
        last = node.value[-1]
        key, value = last if isinstance(last, tuple) else (None, last)
        if key is None and value.id == "scalar" and value.start_mark.index == value.end_mark.index:
            return self._before_comments(int(value.end_mark.index))
        return self._end(value, key)

    def _before_comments(self, end: int) -> int:
        lines = self.text[:end].split("\n")
        while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
            lines.pop()
        return len("\n".join(lines))

    def _spliced(self, start: int, end: int, written: str) -> str:
        return self.text[:start] + written + self.text[end:]


def _child(node: Any, part: str | int) -> tuple[Any, Any] | None:
    """The key's node (None in a list) and the value's."""
    if node.id == "mapping":
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if node.id == "sequence" and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    return None


def _value(node: Any) -> object:
    if node.id == "mapping":
        return {key.value: _value(value) for key, value in node.value}
    if node.id == "sequence":
        return [_value(item) for item in node.value]
    return scalar(node.value) if node.style is None else node.value


def _is_block(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))
