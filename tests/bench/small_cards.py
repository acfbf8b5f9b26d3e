"""Shipped recipes with training.fit: auto on GPUs of 8, 16 and 24 GiB, simulated on a large one: do they train?

usage: python -m tests.bench.small_cards FOLDER [--gib N ...] [--only RECIPE ...] [--together N] [--steps N]
       [--within SECONDS] [--device cpu] [--out FILE]
What fit is told of the GPU is one of N GiB of which 0.3 are used, and torch may take what the forecast leaves it beside
the CUDA context. Models of the real shapes with hollow layers, rows made by tests.bench.walkthroughs; several runs go
on at once, as far as their GPUs go into the large one. A recipe that says it does not fit is named and not tried.
--device cpu takes tiny models, to try this out: nothing is limited there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from cockpit.launch import engines
from cockpit.launch.engines import EngineKey, start_engine
from cockpit.machine.gpu import GpuProbe, GpuReport
from cockpit.preflight.outlook import Forecaster
from cockpit.protocol.events import GpuReading, LogWritten, RunEnded, StepEnded
from cockpit.recipe.document import resolved_yaml
from cockpit.recipe.library import find_recipe
from tests.bench.hollow_models import READY
from tests.bench.metered_engine import FILE, LIMIT, meter_engines
from tests.bench.walkthroughs import MODELS, settings

RECIPES = ("gemma-4-e2b", "gemma-3-4b-vision", "gemma-3-4b", "qwen3.5-2b", "gemma-3-270m", "phi-4", "mistral-7b",
           "llama-3.1-8b", "qwen3-8b", "llama-3-8b", "qwen3-4b", "llama-3.2-1b", "qwen3-0.6b")  # fmt: skip
"""Those that compile longest go first. Of gpt-oss there are no hollow models."""
USED_MIB = 300
ON_CPU = ("backend=transformers", "hardware.gpu=none", "model.quantization=none", "model.dtype=float32",
          "training.gradient_checkpointing=none")  # fmt: skip


def run_one(recipe: str, gib: float, folder: Path, changes: list[str], steps: int, *, on_cpu: bool) -> dict[str, Any]:
    """Fit the recipe to a GPU of `gib`, and train it there, if it says that it fits."""
    document = find_recipe(recipe)
    for change in (*changes, "training.fit=auto", f"training.max_steps={steps}"):
        document.set_from_text(change)
    real = GpuProbe().wait()
    there = real.visible() or [GpuReading(index=0, uuid="GPU-0", name="a card")]
    card = replace(there[0], vram_total_mib=1024 * gib, vram_used_mib=float(USED_MIB))
    report = GpuReport(gpus=[card], driver="simulated", capabilities=real.capabilities)
    forecaster = Forecaster()
    found = forecaster.fitted(document.recipe(), report)
    outlook = forecaster.outlook(found.recipe, report, None)
    figures: dict[str, Any] = {"recipe": recipe, "gib": gib, "fit": outlook.fit, "said": found.said(outlook.room)}
    if outlook.found is None or outlook.fit != "fits":
        return figures
    for change in ON_CPU if on_cpu else ():
        document.set_from_text(change)
    trained = document.recipe().model_copy(update={"training": found.recipe.training})
    meter_engines(engines)
    engine = start_engine(EngineKey.of(trained, real), f"{recipe}-{gib:g}")
    limit = int(gib * 2**30) - USED_MIB * 2**20 - outlook.found.peak.parts["context"]
    (engine.link.run.path / LIMIT).write_text(str(limit))
    engine.train(resolved_yaml(trained), recipe, [], written=document.resolved_yaml(), fitted=found.told)
    figures |= {"forecast_gib": outlook.found.peak.total / 2**30, "limit_gib": limit / 2**30, "steps": 0, "warned": []}
    figures["attempt"] = 1
    while "outcome" not in figures:
        time.sleep(0.1)
        for event in engine.link.poll():
            figures["attempt"] = event.attempt
            if isinstance(event, StepEnded):
                figures["steps"] = event.step
            elif isinstance(event, LogWritten) and event.level != "info":
                figures["warned"].append(event.text[:300])
            elif isinstance(event, RunEnded):
                figures |= {"outcome": event.outcome, "reason": event.reason}
        if engine.process.poll() is not None:
            figures.setdefault("outcome", f"the engine has ended with {engine.process.poll()}")
    engine.process.terminate()
    engine.process.wait(60)
    memory = engine.link.run.path / FILE
    if memory.exists():
        figures["torch_gib"] = json.loads(memory.read_text())["reserved"] / 2**30
    return figures


class Bench:
    """The runs that go on, and the results of those that are over."""

    def __init__(self, asked: argparse.Namespace) -> None:
        """Nothing runs yet."""
        self.asked = asked
        self.folder: Path = asked.folder.resolve()
        self.results: list[dict[str, Any]] = []
        self.taken: dict[str, float] = {}
        """GiB of those that go on."""

    def run(self, recipe: str, gib: float, changes: list[str]) -> None:
        """One run in a process of its own."""
        name = f"{recipe}-{gib:g}"
        environment = os.environ | {
            "COCKPIT_HOME": str(self.folder / "home" / name),
            # Unsloth's own files must not meet those of another process; Triton's and Inductor's may.
            "XDG_CACHE_HOME": str(self.folder / "cache" / name),
            "TORCHINDUCTOR_CACHE_DIR": str(self.folder / "inductor"),
            "TRITON_CACHE_DIR": str(self.folder / "triton"),
            "TORCHINDUCTOR_COMPILE_THREADS": "2",
            "HF_HUB_OFFLINE": "1",
        }
        given = [recipe, str(gib), str(self.folder), json.dumps(changes), str(self.asked.steps), self.asked.device]
        command = [sys.executable, "-m", "tests.bench.small_cards", "--one", *given]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=self.asked.within, check=False
            )
            lines = [line for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
            ended: dict[str, Any] = {"outcome": done.stderr[-400:]}
        except subprocess.TimeoutExpired:
            lines, ended = [], {"outcome": f"not done after {self.asked.within:.0f} s"}
        found = json.loads(lines[0][8:]) if lines else {"recipe": recipe, "gib": gib, "fit": "?", "said": "", **ended}
        self.results.append(found)
        print(line_of(found), flush=True)
        del self.taken[name]

    def run_all(self, waiting: list[tuple[str, float, list[str]]], total: float) -> None:
        """As many at once as go into `total` GiB."""
        threads = []
        while waiting:
            ready = next((one for one in waiting if sum(self.taken.values()) + one[1] <= total), None)
            if ready is None or len(self.taken) >= self.asked.together or not self._is_written(ready[0]):
                time.sleep(0.2)
                continue
            waiting.remove(ready)
            self.taken[f"{ready[0]}-{ready[1]:g}"] = ready[1]
            threads.append(threading.Thread(target=self.run, args=ready))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def model(self, recipe: str) -> str:
        """The name of its model."""
        return MODELS.get(recipe, recipe) + ("-tiny" if self.asked.device == "cpu" else "")

    def _is_written(self, recipe: str) -> bool:
        return (self.folder / "models" / self.model(recipe) / READY).exists()


def line_of(found: dict[str, Any]) -> str:
    """The figures in words."""
    head = f"{found['recipe']:<18} {found['gib']:>3g} GiB  {found['fit']}: {found['said']}"
    if "outcome" not in found:
        return f"{head}; not tried"
    fell = "; fell back" if found.get("attempt", 1) > 1 else ""
    took = f"torch {found['torch_gib']:.1f} of {found['limit_gib']:.1f} GiB" if "torch_gib" in found else ""
    said = " | ".join([str(found.get("reason", "")), *found.get("warned", [])])
    return f"{head}; {found['outcome']}{fell}, {found.get('steps', 0)} steps; {took} {said}".rstrip(" |")


def total_gib() -> float:
    """What the first GPU that is ours has free; plenty without one."""
    gpus = GpuProbe().wait().visible()
    if not gpus or gpus[0].vram_total_mib is None:
        return 130.0
    return (gpus[0].vram_total_mib - (gpus[0].vram_used_mib or 0)) / 1024 - 4


def main() -> None:
    """Run all, print a line each, and write them as JSON."""
    if "--one" in sys.argv:
        name, gib, folder, given, steps, device = sys.argv[2:]
        figures = run_one(name, float(gib), Path(folder), json.loads(given), int(steps), on_cpu=device == "cpu")
        print("FIGURES", json.dumps(figures), flush=True)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gib", type=float, nargs="+", default=[8, 16, 24])
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=RECIPES)
    parser.add_argument("--together", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--within", type=float, default=300.0)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--out", type=Path, default=Path("small_cards.json"))
    asked = parser.parse_args()
    bench = Bench(asked)
    data = bench.folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    models = bench.folder / "models"
    waiting: list[tuple[str, float, list[str]]] = []
    for recipe in (one for one in RECIPES if one in asked.only):
        changes = [f"model.name_or_path={models / bench.model(recipe)}", *settings(recipe, data)]
        waiting += [(recipe, gib, changes) for gib in asked.gib]
    names = list(dict.fromkeys(bench.model(recipe) for recipe, _, _ in waiting))
    began, log = time.time(), (bench.folder / "models.log").open("w")
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.hollow_models", str(models), *names], stdout=log, stderr=log
    )
    bench.run_all(waiting, total_gib())
    writer.wait()
    asked.out.write_text(json.dumps(bench.results))
    tried = [one for one in bench.results if "outcome" in one]
    good = sum(one["outcome"] == "completed" for one in tried)
    print(f"{good} of {len(tried)} that say they fit have trained; {time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
