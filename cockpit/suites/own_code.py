"""The checks that are code of the user's own: a Python function, and a command"""

from __future__ import annotations

import contextlib
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cockpit.text.plain_text import plain_line

JUDGE_S = 120
"""Seconds that a judge may take for one reply."""
MOST_SAID = 120
"""Characters of what a judge or an exception says, in a sentence."""


def find_function(name: str) -> Callable[..., Any]:
    """The function module:function, looked for in the working folder too. Raises ValueError with a sentence."""
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            found = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        raise ValueError(f"The function {name} cannot be imported ({_said(error)}).") from error
    if not callable(found):
        raise ValueError(f"{name} is no function.")
    return found  # type: ignore[no-any-return]


def call_function(name: str, reply: str) -> str:
    """Why the function does not take the reply, in a sentence; empty where it does. What it prints goes to stderr."""
    try:
        function = find_function(name)
    except ValueError as error:
        return str(error)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            is_right = bool(function(reply))
    except (Exception, SystemExit) as error:
        return f"The function {name} failed ({_said(error)})."
    return "" if is_right else f"The function {name} says that the reply is wrong."


def score_of(name: str, answer: str, wanted: str, warn: Callable[[str], None]) -> float:
    """What the function makes of the answer, from 0 to 1; 0 where it fails, which `warn` is told in a sentence."""
    try:
        function = find_function(name)
    except ValueError as error:
        warn(str(error))
        return 0.0
    try:
        with contextlib.redirect_stdout(sys.stderr):
            score = float(function(answer, wanted))
    except (Exception, SystemExit) as error:
        warn(f"The function {name} failed ({_said(error)}).")
        return 0.0
    if not 0 <= score <= 1:
        warn(f"The function {name} gave {score:g}, which is not from 0 to 1.")
        return 0.0
    return score


def ask_judge(command: list[str], reply: str, folder: str = "") -> str:
    """Why the command does not take the reply, in a sentence with what it has said; empty where it does. It runs in
    `folder`, the working folder if empty."""
    name = plain_line(command[0])
    try:
        done = subprocess.run(
            command,
            input=reply.encode(errors="replace"),
            capture_output=True,
            timeout=JUDGE_S,
            check=False,
            cwd=folder or None,
        )
    except subprocess.TimeoutExpired:
        return f"The judge {name} took more than {JUDGE_S} s."
    except OSError as error:
        return f"The judge {name} cannot be run ({error.strerror or error})."
    if done.returncode == 0:
        return ""
    said = plain_line((done.stderr or done.stdout)[:MOST_SAID].decode(errors="replace")).rstrip(".")
    return f"The judge {name} refuses the reply with exit status {done.returncode}{f': {said}' if said else ''}."


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {plain_line(str(error))[:MOST_SAID]}".rstrip(": ")
