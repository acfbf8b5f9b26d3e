"""What a program's function makes of a row: which columns it reads, and into what it puts them"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cockpit.importing.values import Evaluator, Rows

ALPACA_BEGINS = "Below is an instruction that describes a task"
SIDES = ("chosen", "rejected")
TURNS = ("conversations", "messages", "conversation", "convos")
ROLES = {"user": "prompt", "human": "prompt", "assistant": "completion", "gpt": "completion", "model": "completion",
         "system": "system"}  # fmt: skip
WORDS = "the words around the columns are those of data.chat_template"


@dataclass
class _Read:
    """Columns by the name of the variable that holds them, and turns that are made: role, and what it says."""

    columns: list[str] = field(default_factory=list)
    holders: dict[str, str] = field(default_factory=dict)
    turns: list[tuple[str, Any]] = field(default_factory=list)
    formats: list[ast.expr] = field(default_factory=list)
    assigned: dict[str, ast.expr] = field(default_factory=dict)
    made: dict[str, ast.expr] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    renders: bool = False


def formatted(rows: Rows, function: ast.AST, evaluator: Evaluator, line: int) -> Rows | None:
    """The rows as the function makes them; None where it reads no columns."""
    read = _read(function)
    if not read.columns:
        return None
    name = getattr(function, "name", "lambda")
    if all(side in read.made for side in SIDES):
        return _pairs(rows, read, evaluator, name, line)
    said = {role: _said(value, read, evaluator) for role, value in read.turns}
    images = next((parts for role, parts in said.items() if ROLES.get(role) == "prompt" and parts.image), None)
    answers = next((parts for role, parts in said.items() if ROLES.get(role) == "completion"), None)
    asked = next((parts for role, parts in said.items() if ROLES.get(role) == "prompt"), None)
    if images is not None and answers is not None:
        more = {"instruction": images.text} if images.text else {}
        columns = {"image": images.image, ("text" if not images.column else "completion"): answers.column}
        if images.column:
            columns["prompt"] = images.column
        return rows.each(format="image_text", columns=columns, **more)
    if asked is not None and answers is not None and asked.column and answers.column:
        columns = {"prompt": asked.column, "completion": answers.column}
        system = next((parts for role, parts in said.items() if role == "system"), None)
        if system is not None and system.column:
            columns["system"] = system.column
        found = rows.each(format="prompt_completion", columns=columns)
        if system is not None and system.text:
            found = found.without(f"{name}(): system", line, "a system's turn stands in a column of the rows")
        return found
    if {"instruction", "output"} <= set(read.columns) and not read.turns:
        return _alpaca(rows, read, evaluator, name, line)
    if any(column in TURNS for column in read.columns):
        column = next(column for column in read.columns if column in TURNS)
        known = any("format" in source.fields for source in rows.sources)
        found = rows if known else rows.each(format="auto")
        return found if column in ("conversations", "messages") else found.each(columns={"messages": column})
    if read.columns == ["text"] or (not read.turns and len(set(read.columns)) == 1 and "text" in read.keys):
        column = read.columns[0]
        found = rows.each(format="text", **({} if column == "text" else {"columns": {"text": column}}))
        return found.noting(f"{name}()", line, "a text is closed by the token that ends it, as here")
    return rows.without(
        f"{name}()", line, f"what it makes of {', '.join(dict.fromkeys(read.columns))} is not known here"
    )


def _alpaca(rows: Rows, read: _Read, evaluator: Evaluator, name: str, line: int) -> Rows:
    """Rows of instruction, input and output that are put into words."""
    words = [evaluator.value(one) for one in read.formats]
    text = next((one for one in words if isinstance(one, str)), "")
    found = rows.each(format="alpaca")
    if not text:
        return found.noting(f"{name}()", line, WORDS)
    if text.startswith(ALPACA_BEGINS):
        return found.with_data(chat_template="alpaca")
    return found.without(f"{name}()", line, WORDS)


def _pairs(rows: Rows, read: _Read, evaluator: Evaluator, name: str, line: int) -> Rows:
    """Rows of a better and a worse answer to one prompt."""
    columns = {side: column for side in SIDES if (column := _column(read.made[side], read)) is not None}
    asked = [] if "prompt" not in read.made else _columns(read.made["prompt"], read)
    columns.update(zip(("prompt", "input"), asked, strict=False))
    found = rows.each(format="preference", columns=columns)
    words = [evaluator.value(one) for one in read.formats]
    text = next((one for one in words if isinstance(one, str)), "")
    if text.startswith(ALPACA_BEGINS):
        return found.with_data(chat_template="alpaca")
    return found.without(f"{name}()", line, WORDS) if text else found.noting(f"{name}()", line, WORDS)


@dataclass
class _Parts:
    """What a turn says: the column of its text, words of its own, the column of its picture."""

    column: str = ""
    text: str = ""
    image: str = ""


def _said(value: ast.expr, read: _Read, evaluator: Evaluator) -> _Parts:
    parts = _Parts()
    if isinstance(value, ast.Name) and value.id in read.assigned:
        value = read.assigned[value.id]
    for one in value.elts if isinstance(value, ast.List) else [value]:
        kind, content = _part(one)
        if kind == "image":
            parts.image = _column(content, read) or "image"
        elif (column := _column(content, read)) is not None:
            parts.column = column
        elif content is not None and isinstance(text := evaluator.value(content), str):
            parts.text = text
    return parts


def _part(node: ast.expr) -> tuple[str, ast.expr | None]:
    """The kind of one part of a turn, and what it holds."""
    if not isinstance(node, ast.Dict):
        return "text", node
    entries = {key.value: value for key, value in zip(node.keys, node.values, strict=True)
               if isinstance(key, ast.Constant)}  # fmt: skip
    kind = entries.get("type")
    named = kind.value if isinstance(kind, ast.Constant) else "text"
    return str(named), entries.get(
        str(named), next(iter(value for key, value in entries.items() if key != "type"), None)
    )


def _column(node: ast.expr | None, read: _Read) -> str | None:
    """The column that the expression holds, whatever is done to it on the way."""
    if node is None:
        return None
    for one in ast.walk(node):
        if isinstance(one, ast.Subscript) and isinstance(one.slice, ast.Constant) and isinstance(one.slice.value, str):
            return one.slice.value if one.slice.value in read.columns else None
        if isinstance(one, ast.Name) and one.id in read.holders:
            return read.holders[one.id]
    return None


def _columns(node: ast.expr, read: _Read) -> list[str]:
    """All columns that the expression holds, in order."""
    nodes = [one for one in ast.walk(node) if isinstance(one, ast.Name | ast.Subscript)]
    found = [column for one in nodes if (column := _column(one, read)) is not None]
    return list(dict.fromkeys(found))


def _read(function: ast.AST) -> _Read:
    read, parameter = _Read(), _parameter(function)
    for node in _in_order(function):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == parameter:
            is_read = isinstance(node.ctx, ast.Load)
            if is_read and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
                read.columns.append(node.slice.value)
        elif isinstance(node, ast.Call):
            _read_call(node, parameter, read)
        elif isinstance(node, ast.Dict):
            _read_dict(node, read)
    for node in _in_order(function):
        if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Subscript):
            if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str):
                read.made[target.slice.value] = node.value
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            if isinstance(node.value, ast.List | ast.Dict):
                read.assigned.setdefault(node.targets[0].id, node.value)
            elif (column := _column(node.value, read)) is not None:
                read.holders.setdefault(node.targets[0].id, column)
        elif isinstance(node, ast.For | ast.comprehension):
            _read_loop(node, read)
    return read


def _parameter(function: ast.AST) -> str:
    args = function.args.args if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) else []
    return args[0].arg if args else ""


def _in_order(function: ast.AST) -> Iterator[ast.AST]:
    nodes = [node for node in ast.walk(function) if hasattr(node, "lineno") or isinstance(node, ast.comprehension)]
    return iter(sorted(nodes, key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))))


def _read_call(node: ast.Call, parameter: str, read: _Read) -> None:
    if not isinstance(node.func, ast.Attribute):
        return
    holds = isinstance(node.func.value, ast.Name) and node.func.value.id == parameter
    if node.func.attr == "get" and holds and node.args and isinstance(node.args[0], ast.Constant):
        read.columns.append(str(node.args[0].value))
    elif node.func.attr == "format":
        read.formats.append(node.func.value)
    elif node.func.attr == "apply_chat_template":
        read.renders = True


def _read_dict(node: ast.Dict, read: _Read) -> None:
    entries = {key.value: value for key, value in zip(node.keys, node.values, strict=True)
               if isinstance(key, ast.Constant)}  # fmt: skip
    role, content = entries.get("role", entries.get("from")), entries.get("content", entries.get("value"))
    if isinstance(role, ast.Constant) and content is not None:
        read.turns.append((str(role.value), content))
    elif "type" not in entries:
        read.keys += [str(key) for key in entries]
        read.made.update({str(key): value for key, value in entries.items()})


def _read_loop(node: ast.For | ast.comprehension, read: _Read) -> None:
    """for a, b in zip(xs, ys): a holds the column of xs."""
    target, many = node.target, node.iter
    several = many.args if isinstance(many, ast.Call) and getattr(many.func, "id", "") == "zip" else [many]
    targets = target.elts if isinstance(target, ast.Tuple) else [target]
    for one, source in zip(targets, several, strict=False):
        if isinstance(one, ast.Name) and (column := _column(source, read)) is not None:
            read.holders[one.id] = column
