"""An engine in a process of its own that waits at the moment at which a test wants to kill it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from cockpit.runs.checksums import write_checksums

HOLD = Path("hold")
"""In the run's folder, which is an engine's working folder: holds the moment at which it waits while this is there."""


def wait_where_told() -> None:
    """In the engine's process: it waits after `step N`, inside `checkpoint-N`, and as the `evaluation N` begins."""
    from cockpit.engine.training.callback import EventCallback
    from cockpit.engine.worker import Worker

    begins, step_done = EventCallback.evaluation_begins, Worker.step_done

    def checksums(folder: Path) -> None:
        _wait(folder.name)
        write_checksums(folder)

    def evaluation_begins(callback: EventCallback, *args: Any) -> None:
        begins(callback, *args)
        _wait(f"evaluation {callback.step}")

    def done(worker: Worker, step: int) -> None:
        step_done(worker, step)
        _wait(f"step {step}")

    patch = pytest.MonkeyPatch()
    patch.setattr("cockpit.engine.training.trainer.write_checksums", checksums)
    patch.setattr(EventCallback, "evaluation_begins", evaluation_begins)
    patch.setattr(Worker, "step_done", done)


def _wait(moment: str) -> None:
    while _held() == moment:
        time.sleep(0.005)


def _held() -> str:
    try:
        return HOLD.read_text()
    except FileNotFoundError:
        return ""
