"""Importing the training stack without what it brings along and is not used here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from types import FunctionType
from typing import Any

from cockpit.machine.nvml import Nvml

UNUSED = ("scipy",)
"""Packages that transformers imports at once where they are there, for losses of object detection."""


@contextmanager
def lean_imports() -> Iterator[None]:
    """Within this, the packages of UNUSED cannot be imported, and on the CPU nothing is compiled by being imported.

    It is a seventh of the import's CPU time (tests/bench/imports.py). Afterwards both can be had, by a user's own
    function, say.
    """
    hidden = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # as Python's reference has it: not found
    try:
        if sees_no_gpu():  # with a GPU the compiler is wanted soon, and Unsloth has settings to make before torch
            with compiling_put_off():
                yield
        else:
            yield
    finally:
        for name in hidden:
            del sys.modules[name]


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
