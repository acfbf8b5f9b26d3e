"""cockpit's engine process with a meter of torch's memory in it, and with as little memory as a smaller GPU has.

usage: python -m tests.bench.metered_engine FOLDER ...     as python -m cockpit.engine takes it
The run's folder gets torch_memory.json, written anew at each phase. A file torch_limit in it holds the bytes that torch
may take, as if the GPU were no larger.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.memory_run import used_cuda

FILE = "torch_memory.json"
LIMIT = "torch_limit"


def metered(command: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """Of a maker of Python command lines: one whose engines are metered."""

    def made(module: str, *arguments: str) -> list[str]:
        return command("tests.bench.metered_engine" if module == "cockpit.engine" else module, *arguments)

    return made


def meter_engines(start: Any) -> None:
    """Engines that the module `start` starts from here on are metered."""
    start.python_command = metered(start.python_command)


def watch() -> None:
    """Let this process's engine write what torch has taken, and limit it before the model is loaded."""
    from cockpit.engine.journal import Journal

    enter = Journal.enter_phase

    def entered(self: Journal, phase: Any, detail: str = "") -> None:
        if phase == "loading_model" and Path(LIMIT).exists():
            limit_torch(int(Path(LIMIT).read_text()))
        if (cuda := used_cuda()) is not None:
            peaks = {"reserved": cuda.max_memory_reserved(), "allocated": cuda.max_memory_allocated()}
            Path(FILE).write_text(json.dumps(peaks))  # the working folder is the run's, wherever it is moved
        enter(self, phase, detail)

    Journal.enter_phase = entered  # type: ignore[method-assign]


def limit_torch(limit: int) -> None:
    """Have torch find a GPU of so many bytes: what it may take, and what it is told of what is free."""
    import torch

    if not torch.cuda.is_available():
        return
    total = torch.cuda.get_device_properties(0).total_memory
    allowed = min(total, limit)
    torch.cuda.set_per_process_memory_fraction(allowed / total)

    def mem_get_info(device: Any = None) -> tuple[int, int]:
        return max(0, allowed - torch.cuda.memory_reserved()), allowed

    torch.cuda.mem_get_info = mem_get_info
    torch.cuda.memory.mem_get_info = mem_get_info


def main() -> None:
    """As cockpit.engine, and as it ends."""
    from cockpit.engine.__main__ import main as engine
    from cockpit.machine import child_environment

    meter_engines(child_environment)  # one that falls back begins anew by it
    watch()
    status = engine()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
