"""Each method beside SFT on one GPU: seconds a step, and the memory that it takes against its forecast.

usage: python -m tests.bench.methods MODEL [--only METHOD ...] [--backends B ...] [--steps N] [--together N]
       [--set FIELD=VALUE ...] [--folder DIR] [--device cpu] [--out FILE]
MODEL is one of tests.bench.random_models or its -tiny form; its layers are zero (tests.bench.hollow_models). The
recipes are the shipped qwen3-0.6b-METHOD, on rows of about 300 tokens; each run has a process and caches of its own.
With --together above 1 only memory means something. The last line is RESULT.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cockpit.launch import engines
from cockpit.launch.engines import EngineKey, start_engine
from cockpit.machine.gpu import GpuProbe
from cockpit.preflight.outlook import Forecaster, fitted_here
from cockpit.protocol.events import LogWritten, RunEnded, StepEnded
from cockpit.recipe.document import RecipeDocument, resolved_yaml
from cockpit.recipe.library import find_recipe
from tests.bench.hollow_models import write_model
from tests.bench.metered_engine import FILE, meter_engines
from tests.bench.random_models import WORDS

METHODS = ("sft", "pretraining", "dpo", "orpo", "kto", "grpo")
ROWS = 400
WARM_UP_STEPS = 3
ON_CPU = ("hardware.gpu=none", "model.dtype=float32", "training.gradient_checkpointing=none")


def text(words: int, at: int) -> str:
    """So many words, others for each `at`."""
    there = WORDS.split()
    return " ".join(there[(at * 7 + j * (at + 3)) % len(there)] for j in range(words))


def rows_of(method: str) -> list[dict[str, Any]]:
    """Rows as the shipped recipe of the method takes them."""
    made: list[dict[str, Any]] = []
    for at in range(ROWS):
        asked, good, bad = text(60, at), text(200, at + 1), text(200, at + 2)
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": good}]
        other: dict[str, dict[str, Any]] = {
            "sft": {"messages": turns},
            "pretraining": {"text": f"{asked} {good}"},
            "kto": {"prompt": asked, "completion": good, "label": at % 2 == 0},
            "grpo": {"prompt": asked, "answer": str(at)},
        }
        made.append(other.get(method, {"prompt": asked, "chosen": good, "rejected": bad}))
    return made


def document_for(method: str, backend: str, asked: argparse.Namespace) -> RecipeDocument:
    """The shipped recipe on rows and a model of this disk, without anything beside its steps."""
    folder: Path = asked.folder
    document = find_recipe("qwen3-0.6b" if method == "sft" else f"qwen3-0.6b-{method}")
    rows = folder / f"{method}.jsonl"
    document.use_data(rows)
    changes = [
        f"backend={backend}",
        f"model.name_or_path={folder / 'models' / asked.model}",
        f"training.max_steps={asked.steps}",
        "training.eval_steps=null",
        *(("training.gradient_checkpointing=non_reentrant",) if backend == "transformers" else ()),
        *(ON_CPU if asked.device == "cpu" else ()),
        *asked.set,
    ]
    for change in changes:
        document.set_from_text(change)
    return document


def run_one(method: str, backend: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Train it, and hold what torch took against the forecast."""
    document, probe = document_for(method, backend, asked), GpuProbe().wait()
    way = fitted_here(document.recipe(), probe)
    outlook = Forecaster().outlook(way.recipe, probe, asked.steps)
    meter_engines(engines)
    engine = start_engine(EngineKey.of(way.recipe, probe), f"{method}-{backend}")
    engine.train(resolved_yaml(way.recipe), method, [], written=document.resolved_yaml(), fitted=way.told)
    found: dict[str, Any] = {"method": method, "backend": backend, "warned": []}
    seconds: list[float] = []
    while "outcome" not in found:
        time.sleep(0.1)
        for event in engine.link.poll():
            if isinstance(event, StepEnded):
                seconds.append(event.step_time_s or 0.0)
            elif isinstance(event, LogWritten) and event.level != "info":
                found["warned"].append(event.text[:200])
            elif isinstance(event, RunEnded):
                found |= {"outcome": event.outcome, "reason": event.reason, "fell_back": event.attempt > 1}
        if engine.process.poll() is not None:
            found.setdefault("outcome", f"the engine has ended with {engine.process.poll()}")
    engine.process.terminate()
    engine.process.wait(60)
    found["step_s"] = statistics.median(seconds[WARM_UP_STEPS:] or seconds or [0.0])
    if outlook.found is not None:
        peak = outlook.found.peak
        found["forecast_gib"] = (peak.total - peak.parts["context"]) / 2**30
    if (memory := engine.link.run.path / FILE).exists():
        found["torch_gib"] = json.loads(memory.read_text())["reserved"] / 2**30
    return found


def in_process(method: str, backend: str, asked: argparse.Namespace, given: list[str]) -> dict[str, Any]:
    """`run_one` in a process with a home and caches of its own."""
    name = f"{method}-{backend}"
    homes = {"COCKPIT_HOME": "home", "XDG_CACHE_HOME": "cache", "UNSLOTH_COMPILE_LOCATION": "compiled"}
    places = {variable: str(asked.folder / place / name) for variable, place in homes.items()}
    command = [sys.executable, "-m", "tests.bench.methods", *given, "--one", method, backend]
    environment = os.environ | places | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
    failed = {"method": method, "backend": backend, "outcome": done.stderr[-400:]}
    found: dict[str, Any] = json.loads(lines[0][8:]) if lines else failed
    print(line_of(found), flush=True)
    return found


def line_of(found: dict[str, Any]) -> str:
    """The figures in words."""
    head = f"{found['method']:<12} {found['backend']:<13} {found['outcome']} {found.get('reason', '')}"
    if "torch_gib" in found and "forecast_gib" in found:
        over = found["forecast_gib"] / found["torch_gib"]
        head += f" {found['torch_gib']:.2f} GiB, forecast {found['forecast_gib']:.2f} GiB ({over:.2f})"
    warned = " | ".join(found.get("warned", []))
    return f"{head} {found.get('step_s', 0.0):.3f} s/step {warned}".rstrip()


def main() -> int:
    """Train all, a line each; 1 where one has not completed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--only", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument(
        "--backends", nargs="+", choices=["unsloth", "transformers"], default=["unsloth", "transformers"]
    )
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--together", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("methods"))
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--out", type=Path, default=Path("methods.json"))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.folder = asked.folder.resolve()
    if asked.one:
        print("FIGURES", json.dumps(run_one(asked.one[0], asked.one[1], asked)), flush=True)
        return 0
    (asked.folder / "models").mkdir(parents=True, exist_ok=True)
    write_model(asked.model, asked.folder / "models")
    for method in asked.only:
        (asked.folder / f"{method}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of(method)))
    given = sys.argv[1:]
    with ThreadPoolExecutor(asked.together) as pool:
        wanted = [(method, backend) for method in asked.only for backend in asked.backends]
        results = list(pool.map(lambda one: in_process(one[0], one[1], asked, given), wanted))
    asked.out.write_text(json.dumps(results))
    good = sum(one["outcome"] == "completed" for one in results)
    print(f"RESULT {good} of {len(results)} completed")
    return int(good < len(results))


if __name__ == "__main__":
    sys.exit(main())
