"""Going on from a checkpoint with Unsloth on the CPU: the losses of an undisturbed run, step by step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine import tiny

CODE = """
import json, sys
import unsloth
from pathlib import Path
from cockpit.engine.worker import Worker
from cockpit.run_dir import RunDir, runs_folder
from tests.engine.conftest import HostedRun

stops = set()
step_done = Worker._step_done

def step_done_and_stopped(worker, step):
    step_done(worker, step)
    if step in stops:
        stops.remove(step)
        worker._orders.ask_stop(save=True)

Worker._step_done = step_done_and_stopped

def ended(name, recipe, attempt=1, stop=None):
    stops.update([stop] if stop else [])
    resumed = attempt > 1
    run = RunDir(runs_folder() / name) if resumed else RunDir.create(runs_folder() / name)
    hosted = HostedRun(run, recipe, {"resume": resumed}, "unsloth")
    hosted.until(lambda: hosted.state.ended is not None and hosted.state.ended.attempt == attempt)
    hosted.close()
    state = hosted.state
    evaluations = [[one.step, one.metrics["eval_loss"]] for one in state.evaluations]
    return {"outcome": state.ended.outcome, "metrics": state.steps.metrics, "evaluations": evaluations}

told = {}
for name, recipe in json.loads(sys.argv[1]).items():
    whole = ended(name, recipe)
    stopped = ended(name + "-again", recipe, stop=6)["outcome"]
    told[name] = [whole, stopped, ended(name + "-again", recipe, attempt=2)]
print("TOLD", json.dumps(told))
sys.stdout.flush()
import os
os._exit(0)
"""
COMMON = {
    "lora__lora_dropout": 0.2,
    "training__max_steps": 11,
    "training__lr_scheduler_type": "cosine",
    "training__eval_steps": 3,
}
CASES = {
    "random": {"training__gradient_checkpointing": "unsloth"},
    "grouped": {"training__group_by_length": True, "training__dataloader_num_workers": 2},
}


@pytest.mark.timeout(300)
def test_losses_are_those_of_an_undisturbed_run(tmp_path: Path, model: Path) -> None:
    """Nine steps are an epoch; the stop comes where an evaluation is due."""
    rows = [{"messages": tiny.pair(f"what is {n}", "red cat " * (1 + n * 7 % 11))} for n in range(40)]
    path = tiny.write_rows(tmp_path / "rows.jsonl", rows)
    recipes = {name: tiny.recipe_text(model, path, **COMMON, **changes) for name, changes in CASES.items()}
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(recipes)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COCKPIT_HOME": str(tmp_path / "home"), "CUDA_VISIBLE_DEVICES": ""},
        cwd=Path(__file__).parents[2],
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("TOLD ")), "")
    assert line, done.stderr[-2000:]
    for name, (whole, stopped, again) in json.loads(line[5:]).items():
        assert (whole["outcome"], stopped, again["outcome"]) == ("completed", "stopped", "completed"), name
        assert len(whole["metrics"]["loss"]) == 11
        assert again["metrics"] == whole["metrics"], name
        assert again["evaluations"] == whole["evaluations"], name
        assert [step for step, _ in whole["evaluations"]] == [0, 3, 6, 9, 11]
