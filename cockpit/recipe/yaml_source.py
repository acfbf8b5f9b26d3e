"""A recipe's text as it was read: its values, and the line of each. Strict YAML 1.2 without tags and anchors."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cockpit.disk import open_to_read
from cockpit.recipe.field_path import FieldPath, dotted
from cockpit.recipe.problem import Problem, RecipeError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 16

_unprintable = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff\ud800-\udfff]")
_null = re.compile(r"~|null|Null|NULL|")
_true, _false = re.compile(r"true|True|TRUE"), re.compile(r"false|False|FALSE")
_int, _octal, _hexadecimal = re.compile(r"[-+]?[0-9]+"), re.compile(r"0o[0-7]+"), re.compile(r"0x[0-9a-fA-F]+")
_float = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_infinite, _nan = re.compile(r"[-+]?\.(inf|Inf|INF)"), re.compile(r"\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class YamlSource:
    """A parsed file. `values` are plain dicts, lists and scalars; `lines` counts from 1."""

    text: str
    file: str
    root: Any
    """ruamel's node of the whole mapping; its marks tell where each value stands in `text`."""
    values: dict[str, Any]
    lines: dict[FieldPath, int] = field(default_factory=dict)

    def line(self, place: FieldPath) -> int | None:
        """The line of `place`, or of the nearest thing around it that the file holds."""
        while place:
            if place in self.lines:
                return self.lines[place]
            place = place[:-1]
        return None


def read_text(path: Path, file: str, most_bytes: int = MAX_BYTES) -> str:
    """The file's text. Raises RecipeError where it cannot be read, is too large, or is not UTF-8."""
    try:
        with open_to_read(path) as stream:
            content = stream.read(most_bytes + 1)
    except FileNotFoundError:
        raise _refused(file, None, "there is no such file", "'cockpit recipes' lists all recipes") from None
    except IsADirectoryError:
        raise _refused(file, None, "this is a folder", "give a recipe's file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refused(file, None, f"it cannot be read ({reason})", "give a file that you may read") from None
    if len(content) > most_bytes:
        raise _refused(file, None, f"it is larger than {most_bytes // 1024} KiB", "give a recipe, not data or a model")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise _refused(file, line, byte, "save the file as UTF-8 text") from None


def parse(text: str, file: str, form: str = "a recipe is made of sections, such as model: and lora:") -> YamlSource:
    """Read YAML. Raises RecipeError with every duplicate key, tag and anchor, or with the first error of its syntax.
    `form` says what the file is made of."""
    if found := _unprintable.search(text):
        line = text.count("\n", 0, found.start()) + 1
        wrong = f"the character U+{ord(found[0]):04X} may not stand in YAML"
        raise _refused(file, line, wrong, "remove it, and save the file as plain UTF-8 text")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    root = _compose(text, file)
    reader = _Reader(text, file)
    values = reader.value(root, ()) if root is not None else None
    if reader.problems:
        raise RecipeError(reader.problems[:50])
    if values is None:
        raise _refused(file, None, "it is empty", "copy a recipe to start from: cockpit recipes show demo")
    if not isinstance(values, dict):
        kind = "a list" if isinstance(values, list) else "a single value"
        raise _refused(file, 1, f"it holds {kind}", form)
    return YamlSource(text, file, root, values, reader.lines)


def scalar(text: str) -> object:
    """What a plain (unquoted) scalar means in YAML 1.2's core schema: text, unless it is written as something else."""
    if _null.fullmatch(text):
        return None
    if _true.fullmatch(text) or _false.fullmatch(text):
        return text[0] in "tT"
    if len(text) > 300:  # no number that a recipe holds; Python refuses to read very long ones
        return text
    if _int.fullmatch(text):
        return int(text)
    if _octal.fullmatch(text) or _hexadecimal.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if _float.fullmatch(text):
        return float(text)
    if _infinite.fullmatch(text):
        return -math.inf if text[0] == "-" else math.inf
    return math.nan if _nan.fullmatch(text) else text


def _refused(file: str, line: int | None, wrong: str, right: str) -> RecipeError:
    return RecipeError([Problem(file, line, "", wrong, right)])


class _Reader:
    """Turns nodes into values and collects what a recipe must not hold."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.problems: list[Problem] = []
        self.lines: dict[FieldPath, int] = {}

    def value(self, node: Any, place: FieldPath) -> Any:
        first = self.text[node.start_mark.index : node.start_mark.index + 1]
        if first in ("&", "*") or node.anchor is not None:
            self._refuse(node, place, "anchors and aliases (& and *) are not read", "write the value out")
            return None
        if first == "!":
            self._refuse(node, place, "YAML tags (!) are not read", "write the plain value")
            return None
        if not isinstance(node.value, list):
            return scalar(node.value) if node.style is None else node.value
        if node.id == "sequence":
            return [self._child(item, item, (*place, index)) for index, item in enumerate(node.value)]
        return self._mapping(node, place)

    def _mapping(self, node: Any, place: FieldPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if isinstance(key_node.value, list):
                self._refuse(key_node, place, "a key must be one word", "write it as name: value")
                continue
            if key_node.anchor is not None:
                self.value(key_node, place)
                continue
            key = str(key_node.value)
            if key in values:
                before = self.lines[(*place, key)]
                wrong = f"stands twice (first in line {before})"
                self._refuse(key_node, (*place, key), wrong, "keep one of the two")
                continue
            values[key] = self._child(key_node, value_node, (*place, key))
        return values

    def _child(self, first: Any, node: Any, place: FieldPath) -> Any:
        self.lines[place] = first.start_mark.line + 1
        return self.value(node, place)

    def _refuse(self, node: Any, place: FieldPath, wrong: str, right: str) -> None:
        name = dotted(place)
        self.problems.append(Problem(self.file, node.start_mark.line + 1, name, wrong, right))


def _compose(text: str, file: str) -> Any:
    """ruamel's tree of nodes, None for an empty file."""
    from ruamel.yaml.composer import MaxDepthExceededError
    from ruamel.yaml.error import MarkedYAMLError

    try:
        return _nodes(text)
    except MaxDepthExceededError as error:
        wrong, right = "it is nested too deep for a recipe", "a recipe has sections, fields and lists"
        raise _refused(file, int(error.problem_mark.line) + 1, wrong, right) from None
    except MarkedYAMLError as error:
        raise _refused(file, *syntax_error(error, text)) from None
    except Exception as error:  # on some broken text the parser trips over itself; to the user that is bad YAML too
        raise _refused(
            file, None, f"it is not valid YAML ({type(error).__name__})", "write it as name: value"
        ) from None


@functools.lru_cache(maxsize=64)
def _nodes(text: str) -> Any:
    """Nobody changes the nodes, and the same text is read again and again: by the list of recipes, and before and after
    each change that is written into it. Reading takes ruamel 5 ms for a recipe.
    """
    from ruamel.yaml import YAML

    reader = YAML(typ="safe", pure=True)
    reader.max_depth = MAX_DEPTH
    return reader.compose(text)


@dataclass(frozen=True)
class _Slip:
    """A common error: what the parser says of it, and what that means. `at_start`: the line where the thing began."""

    said: str
    wrong: str
    right: str
    at_start: bool = False


_SLIPS = (
    _Slip("another document", "a second document begins here (---)", "keep one recipe in a file"),
    _Slip("could not find expected ':'", "a colon is missing", "write it as name: value", at_start=True),
    _Slip("mapping values are not allowed", "a colon stands where none may be", "put text that holds ': ' in quotes"),
    _Slip("unknown escape character", "the text in quotes holds an unknown \\ escape", "write \\\\ for one backslash"),
    _Slip("quoted scalar", "a quote is not closed, or closed too early", "put one quote at each end", at_start=True),
    _Slip("expected ',' or ']'", "a list is not closed", "add the missing ] or comma", at_start=True),
    _Slip("expected ',' or '}'", "a section in braces is not closed", "add the missing } or comma", at_start=True),
    _Slip("alias", "anchors and aliases (& and *) are not read", "write the value out; put text with * in quotes"),
    _Slip("an anchor", "anchors and aliases (& and *) are not read", "write the value out; put text with & in quotes"),
    _Slip("a tag", "YAML tags (!) are not read", "write the plain value; put text with ! in quotes"),
    _Slip("directive", "YAML directives (%) are not read", "remove the line"),
    _Slip("expected <block end>", "the indentation does not fit the lines above", "indent a section's fields alike"),
    _Slip("<document start>", "this stands outside of the recipe's sections", "write it as name: value"),
    _Slip("sequence entries are not allowed", "a list begins where none may be", "put each - on a line below its key"),
    _Slip("block scalar", "a text after | or > begins wrong", "put it on the lines below, indented"),
    _Slip("expected the node content", "a value is missing or has a stray bracket", "write it as name: value"),
    _Slip("cannot start any token", "a character stands here that no value begins with", "put the value in quotes"),
)


def syntax_error(error: Any, text: str) -> tuple[int | None, str, str]:
    """Line, what is wrong, and what is right, for an error of the YAML parser."""
    said = " ".join(filter(None, (error.context, error.problem)))
    mark, start = error.problem_mark or error.context_mark, error.context_mark or error.problem_mark
    line = None if mark is None else int(mark.line) + 1
    lines = text.split("\n")
    if "'\\t'" in said or (line is not None and lines[min(line, len(lines)) - 1].lstrip(" ").startswith("\t")):
        return line, "a tab stands where YAML wants blanks", "indent with blanks"
    if line is not None and ("mapping values are not allowed" in said or "expected <block end>" in said):
        before, here = ["", *lines][line - 1], lines[line - 1]
        if before.strip() and ":" not in before and (_indent(before) == _indent(here) or "mapping" in said):
            return line - 1, "a colon is missing", "write it as name: value"
        if _indent(before) < _indent(here) and not before.strip().endswith(":"):
            return line, "the indentation does not fit the line above", "indent a section's fields alike"
    for slip in _SLIPS:
        if slip.said in said:
            return (int(start.line) + 1 if slip.at_start and start is not None else line), slip.wrong, slip.right
    return line, f"it is not valid YAML ({said})", "write it as name: value, with sections indented by two blanks"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
