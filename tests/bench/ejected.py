"""The losses of a recipe and of its ejected script, step by step, each in a process of its own.

usage: python -m tests.bench.ejected RECIPE [--model M] [--data ROWS] [--set FIELD=VALUE ...] [--folder FOLDER]
Trains both, one after the other, and prints how far their losses and held-out losses are apart, and s/step of both. The
recipe is trained as it is written. M is a folder, or a name of tests.bench.random_models, which is written to FOLDER.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from cockpit.recipe.document import resolved_yaml
from cockpit.recipe.library import find_recipe
from tests.bench.random_models import make_model

TELLS = """
import json, time, transformers
class Tell(transformers.TrainerCallback):
    def on_step_begin(self, *_, **__): self.began = time.time()
    def on_step_end(self, *_, **__): print("STEP", time.time() - self.began, flush=True)
    def on_log(self, _args, _state, _control, logs=None, **_): print("LOG", json.dumps(logs), flush=True)
trainer.add_callback(Tell())
trainer.train()
"""
WARM_UP = 2


def by_cockpit(recipe: Path) -> tuple[list[float], list[float], list[float]]:
    """Losses, held-out losses, seconds of each step."""
    command = [sys.executable, "-m", "cockpit", "train", str(recipe), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, stdin=subprocess.DEVNULL)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    steps = [event for event in events if event["type"] == "StepEnded"]
    measured = [event["metrics"]["eval_loss"] for event in events if event["type"] == "Evaluated"]
    return [one["metrics"]["loss"] for one in steps], measured, [one["step_time_s"] for one in steps]


def by_script(recipe: Path, folder: Path) -> tuple[list[float], list[float], list[float]]:
    """The same of the script."""
    ejected = [sys.executable, "-m", "cockpit", "eject", str(recipe)]
    text = subprocess.run(ejected, stdout=subprocess.PIPE, text=True, check=True).stdout
    script = folder / "ejected.py"
    script.write_text(text.replace("\ntrainer.train()\n", TELLS))
    done = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, check=True, cwd=folder)
    lines = [line.partition("LOG ")[2] for line in done.stdout.splitlines() if "LOG {" in line]
    logs = [json.loads(line) for line in lines]
    seconds = [float(line.partition("STEP ")[2]) for line in done.stdout.splitlines() if "STEP " in line]
    return (
        [one["loss"] for one in logs if "loss" in one],
        [one["eval_loss"] for one in logs if "eval_loss" in one],
        seconds,
    )


def apart(one: list[float], other: list[float]) -> str:
    """How far two courses are apart at most."""
    if len(one) != len(other):
        return f"{len(one)} and {len(other)} of them"
    return f"{len(one)}, at most {max((abs(a - b) for a, b in zip(one, other, strict=True)), default=0.0):.3g} apart"


def main() -> None:
    """Train both ways, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--model")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="ejected-"))
    folder.mkdir(parents=True, exist_ok=True)
    document = find_recipe(options.recipe)
    if options.model:
        document.use_model(options.model if Path(options.model).is_dir() else make_model(options.model, folder))
    if options.data:
        document.use_data(options.data)
    for setting in (*options.settings, "training.fit=as_written"):
        document.set_from_text(setting)
    recipe = folder / "recipe.yaml"
    recipe.write_text(resolved_yaml(document.recipe()))
    began = time.time()
    losses, measured, seconds = by_cockpit(recipe)
    losses_there, measured_there, seconds_there = by_script(recipe, folder)
    print(f"losses: {apart(losses, losses_there)}; held-out losses: {apart(measured, measured_there)}")
    here, there = median(seconds[WARM_UP:]), median(seconds_there[WARM_UP:])
    print(f"s/step: {here:.3f} here, {there:.3f} there, {here / there:.3f} of it")
    print(f"in {time.time() - began:.0f} s; {folder}")


if __name__ == "__main__":
    main()
