"""What a suite's checks need, seen to before a model is loaded: functions, judges, schemas, pictures"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from cockpit.paths import expanded, kind_of
from cockpit.recipe.problem import Problem
from cockpit.recipe.suite import Checks, Suite
from cockpit.suites.checks import wrong_schema
from cockpit.suites.own_code import find_function
from cockpit.text.plain_text import plain_line


def own_code(suite: Suite) -> str:
    """The first check that runs code of the suite's author, as a dotted path; empty where none does."""
    for half, index, prompt in suite.prompts():
        for name in ("function", "judge"):
            if getattr(prompt.checks, name):
                return f"{half}.{index}.checks.{name}"
    return ""


def problems(suite: Suite, file: str, folder: str = "") -> list[Problem]:
    """All that would keep a check from being made. `file` is what errors call the suite; commands run in `folder`, the
    working folder if empty."""
    found = []
    for half, index, prompt in suite.prompts():
        images = [("image", prompt.image)]
        images += [(f"messages.{at}.image", turn.image) for at, turn in enumerate(prompt.messages)]
        wrong = [(name, f"there is no picture {path}", "give a file") for name, path in images if _is_missing(path)]
        wrong += [(f"checks.{name}", said, right) for name, said, right in _of_checks(prompt.checks, folder)]
        found += [Problem(file, None, f"{half}.{index}.{name}", said, right) for name, said, right in wrong]
    return found


def _of_checks(checks: Checks, folder: str) -> Iterator[tuple[str, str, str]]:
    if checks.function is not None:
        try:
            find_function(checks.function)
        except ValueError as error:
            yield "function", _clause(error), "it is looked for in the working folder, and where Python finds modules"
    if checks.judge and shutil.which(_program(checks.judge[0], folder)) is None:
        yield "judge", f"there is no command {plain_line(checks.judge[0])}", "give a program and its arguments"
    if checks.json_schema is not None and (told := wrong_schema(checks.json_schema)) is not None:
        yield "json_schema", *told


def _program(command: str, folder: str) -> str:
    """The command as it is found from here: one with a slash is a path from the folder that it runs in."""
    return str(Path(folder) / command) if "/" in command else command


def _is_missing(path: str | None) -> bool:
    return path is not None and kind_of(expanded(path)) != "file"


def _clause(error: Exception) -> str:
    text = str(error).rstrip(".")
    return text[0].lower() + text[1:]
