"""Through the queue, with real engines: six small runs, one of them made to fail, of which five complete; a search."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit, queue_runner
from cockpit.cli.queue_runner import QueueRunner
from cockpit.machine.gpu import GpuReport
from cockpit.paths import runs_folder
from cockpit.recipe.document import RecipeDocument
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


def test_a_search_trains_its_trials_and_writes_the_winners_recipe(
    folder: Path, model: Path, rows: Path, plain_stack: WarmStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_runner, "LOOK_EVERY_S", 0.05)
    changes: dict[str, Any] = {"training__max_steps": 2, "training__eval_steps": 1, "data__eval_rows": 4}
    recipe = folder / "searched.yaml"
    recipe.write_text(tiny.recipe_text(model, rows, backend="transformers", hardware__gpu="none", **changes))
    winner = folder / "winner.yaml"
    over = ["--over", "training.learning_rate=1e-5..1e-1", "--over", "lora.r=4,8"]
    with cockpit_home(folder / "searching"), plain_stack.starts_engines():
        done = CliRunner().invoke(cockpit, ["search", str(recipe), *over, "--trials", "3", "--write", str(winner)])
        assert done.exit_code == 0, done.output
        runs = [RunSummary.of(RunDir(runs_folder() / entry.run)) for entry in Queue().entries()]
        again = CliRunner().invoke(cockpit, ["search", str(recipe), *over, "--trials", "3"])
    assert [one.state for one in runs] == ["completed"] * 3
    assert done.stdout.count(": completed, eval_loss") == 3 and ": completed.\n" not in done.stdout, "told once"
    best = min(runs, key=lambda one: one.eval_loss or 9.0)
    assert RecipeDocument.load(winner).recipe() == RecipeDocument.load(best.run.recipe).recipe()
    assert f"winner: {best.run.id}" in done.stdout and "has 3 trials" in again.stdout and again.exit_code == 0
