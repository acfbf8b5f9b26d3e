"""The settings of another tool's file: each with its name, its value and the line where it stands"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.disk import open_to_read
from cockpit.recipe.problem import Problem, RecipeError
from cockpit.recipe.yaml_source import scalar, syntax_error
from cockpit.text.plain_text import plain_line

MOST_BYTES = 64 * 1024 * 1024
"""Notebooks keep pictures."""
MOST_NODES = 200_000


@dataclass(frozen=True)
class Setting:
    """One setting as the file has it. `line` counts from 1; None where no line is to blame."""

    name: str
    value: Any
    line: int | None = None


class Settings:
    """The settings of a file, by name; each is taken once, and those that nobody took can be named."""

    def __init__(self, file: str, found: list[Setting]) -> None:
        self.file = file
        """What errors call the file."""
        self._found = {setting.name: setting for setting in found}
        self._taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[Setting]:
        return iter(self._found.values())

    def peek(self, name: str, otherwise: Any = None) -> Any:
        """The value of a setting, which stays to be taken."""
        setting = self._found.get(name)
        return otherwise if setting is None or setting.value is None else setting.value

    def get(self, name: str) -> Setting | None:
        """A setting that says something; None where it is not there or empty. It is taken now."""
        self._taken.add(name)
        setting = self._found.get(name)
        return None if setting is None or is_empty(setting.value) else setting

    def left(self) -> list[Setting]:
        """Those that say something and were not taken."""
        return [one for name, one in self._found.items() if name not in self._taken and not is_empty(one.value)]


def is_empty(value: Any) -> bool:
    """Whether a setting says nothing: it has no value, or no text."""
    return value is None or value == "" or value == [] or value == {}


def refused(file: str, line: int | None, name: str, wrong: str, right: str) -> RecipeError:
    """The error that a file, or a setting of it, cannot be imported."""
    return RecipeError([Problem(plain_line(file), line, plain_line(name), wrong, right)])


def read_file(path: Path, file: str) -> str:
    """The file's text. Raises RecipeError where it cannot be read or is no text."""
    try:
        with open_to_read(path) as stream:
            content = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise refused(file, None, "", "there is no such file", "give a configuration, a notebook or a script") from None
    except IsADirectoryError:
        right = "give the file in it, such as adapter_config.json"
        raise refused(file, None, "", "this is a folder", right) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refused(file, None, "", f"it cannot be read ({reason})", "give a file that you may read") from None
    if len(content) > MOST_BYTES:
        wrong = f"it is larger than {MOST_BYTES // 1024 // 1024} MiB"
        raise refused(file, None, "", wrong, "give a configuration, a notebook or a script")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refused(file, line, "", "it is not UTF-8 text", "give a configuration, a notebook or a script") from None
    if not text.strip():
        raise refused(file, None, "", "it is empty", "give a configuration, a notebook or a script")
    return text


def read_json(text: str, file: str) -> Any:
    """JSON's value. Raises RecipeError."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise refused(file, error.lineno, "", f"it is not valid JSON ({error.msg})", "mend it there") from None
    except (RecursionError, ValueError):
        raise refused(file, None, "", "it is not valid JSON", "mend it") from None


def read_yaml(text: str, file: str) -> list[Setting]:
    """The settings on the outermost level of a YAML file; anchors, aliases, merges and tags are read. Raises
    RecipeError where it is no YAML or no mapping."""
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import MaxDepthExceededError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    reader = YAML(typ="safe", pure=True)
    reader.max_depth = 64
    try:
        root = reader.compose(text)
    except MaxDepthExceededError as error:
        at = int(error.problem_mark.line) + 1
        raise refused(file, at, "", "it is nested too deep", "a configuration has few levels") from None
    except MarkedYAMLError as error:
        line, wrong, right = syntax_error(error, text)
        raise refused(file, line, "", plain_line(wrong), right) from None
    except (YAMLError, ValueError, RecursionError, AttributeError, TypeError) as error:
        wrong = f"it is not valid YAML ({type(error).__name__})"
        raise refused(file, None, "", wrong, "mend it") from None
    if root is None or root.id != "mapping":
        raise refused(file, 1, "", "it holds no settings", "a configuration is lines of name: value")
    values = _Values(file)
    return [Setting(name, value, line) for name, (value, line) in values.mapping(root).items()]


class _Values:
    """Values of YAML's nodes; what aliases blow up beyond all measure is refused."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._nodes = 0

    def mapping(self, node: Any) -> dict[str, tuple[Any, int]]:
        found: dict[str, tuple[Any, int]] = {}
        for key, value in node.value:
            if key.value == "<<":
                for one in value.value if value.id == "sequence" else [value]:
                    found = {**(self.mapping(one) if one.id == "mapping" else {}), **found}
            else:
                found[str(key.value)] = (self.value(value), key.start_mark.line + 1)
        return found

    def value(self, node: Any) -> Any:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise refused(self._file, None, "", "its aliases make it too large", "write the values out")
        if node.id == "mapping":
            return {name: value for name, (value, _) in self.mapping(node).items()}
        if node.id == "sequence":
            return [self.value(one) for one in node.value]
        return scalar(node.value) if node.style is None else node.value


def flattened(found: list[Setting], *, into_lists: bool = False) -> list[Setting]:
    """The settings with those in sections under dotted names, such as lora.r, all with the line of their section."""
    flat: list[Setting] = []
    for setting in found:
        value = setting.value
        if isinstance(value, dict) and value:
            inner = [Setting(f"{setting.name}.{name}", one, setting.line) for name, one in value.items()]
            flat += flattened(inner, into_lists=into_lists)
        elif into_lists and isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            inner = [Setting(f"{setting.name}.{index}", one, setting.line) for index, one in enumerate(value)]
            flat += flattened(inner, into_lists=into_lists)
        else:
            flat.append(setting)
    return flat
