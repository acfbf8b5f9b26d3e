"""A grid of six small runs through the queue, with real engines, one of them made to fail: five complete."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from cockpit.cli.queue_runner import QueueRunner
from cockpit.machine.gpu import GpuReport
from cockpit.paths import runs_folder
from cockpit.runs.folder import RunDir
from cockpit.runs.queue import Queue
from cockpit.runs.summary import RunSummary
from tests.engine import tiny
from tests.engine.conftest import cockpit_home
from tests.engine.warm_stack import WarmStack

PATIENCE_S = 240.0


def test_six_runs_the_third_made_to_fail(folder: Path, model: Path, rows: Path, plain_stack: WarmStack) -> None:
    with cockpit_home(folder / "queued"), plain_stack.starts_engines():
        queue, said = Queue(), list[str]()
        for number in range(1, 7):
            # Checked when the run begins: a folder that is none fails it, and it alone.
            broken = {"output__logging_dir": "/dev/null/no", "output__report_to": ["tensorboard"]}
            more = {"training__max_steps": 2, "lora__r": number, "hardware__gpu": "none"}
            changes: dict[str, Any] = more | (broken if number == 3 else {})
            recipe = tiny.recipe_text(model, rows, backend="transformers", **changes)
            queue.add(f"tiny-r-{number}", recipe)
        runner = QueueRunner(queue, said.append, probe=GpuReport)
        deadline = time.monotonic() + PATIENCE_S
        while runner.step():
            assert len(runner.going()) <= 1, "the CPU trains one at a time"
            assert time.monotonic() < deadline, said
            time.sleep(0.05)
        states = [RunSummary.of(RunDir(runs_folder() / entry.run)).state for entry in queue.entries()]
        assert [entry.name for entry in runner.failed()] == ["tiny-r-3"]
    assert states == ["completed", "completed", "failed", "completed", "completed", "completed"], said
