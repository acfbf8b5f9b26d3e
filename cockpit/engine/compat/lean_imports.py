"""Importing the training stack without what it brings along and is not used here."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import FunctionType
from typing import Any

from cockpit.machine.nvml import Nvml

UNUSED = ("scipy", "sklearn")
"""Packages that transformers imports at once where they are there: for losses of object detection, and for drafts by a
second model."""


@contextmanager
def lean_imports() -> Iterator[None]:
    """Within this, transformers does not see the packages of UNUSED, and on the CPU no import compiles anything.

    It is a seventh of the import's CPU time (tests/bench/imports.py). Others can import what is unused here: some
    package of the user's may need it.
    """
    with unseen_by_transformers():
        if sees_no_gpu():  # with a GPU the compiler is wanted soon, and Unsloth has settings to make before torch
            with compiling_put_off():
                yield
        else:
            yield


@contextmanager
def unseen_by_transformers() -> Iterator[None]:
    """Within this, transformers is told that the packages of UNUSED are not installed; it remembers that."""
    find_any = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        asks = sys._getframe(1).f_globals.get("__name__", "")
        return None if name in UNUSED and asks.partition(".")[0] == "transformers" else find_any(name, package)

    importlib.util.find_spec = find_spec
    try:
        yield
    finally:
        importlib.util.find_spec = find_any


def sees_no_gpu() -> bool:
    """Whether this process was left no GPU, or there is none; imports nothing."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or Nvml().absent


@contextmanager
def compiling_put_off() -> Iterator[None]:
    """Within this, a function that is given to torch.compile is compiled when it is first called.

    bitsandbytes does so with functions of its own while it is imported, and torch imports its whole compiler for that.
    """
    torch: Any = import_module("torch")
    compile_now = torch.compile

    def put_off(model: Any = None, **options: Any) -> Any:
        if model is None:
            return lambda function: put_off(function, **options)
        if not isinstance(model, FunctionType):
            return compile_now(model, **options)
        compiled: list[Callable[..., Any]] = []

        @wraps(model)
        def at_first_call(*arguments: Any, **named: Any) -> Any:
            if not compiled:
                compiled.append(compile_now(model, **options))
            return compiled[0](*arguments, **named)

        return at_first_call

    torch.compile = put_off
    try:
        yield
    finally:
        if torch.compile is put_off:  # else Unsloth has put its own there
            torch.compile = compile_now
