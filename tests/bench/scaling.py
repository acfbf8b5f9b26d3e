"""One recipe on 1, 2, 4 and 8 GPUs: seconds a step, tokens a second, the share of linear, memory, the first step

usage: python -m tests.bench.scaling [MODEL] [--gpus 1 2 4 8] [--ways as-written auto bf16 plain fsdp] [--steps N]
       [--folder DIR] [--out FILE] [--torchrun] [--tiny]
MODEL is one of tests.bench.random_models, llama-3-8b unless given. Each GPU has 2 x 4 rows of 2,048 tokens a step,
however many there are. Ways: `as-written` and `auto` are QLoRA with training.fit as named, `bf16` is LoRA on a 16-bit
base, all three with Unsloth and DDP; `plain` and `fsdp` are LoRA on a 16-bit base with plain transformers, by DDP and
by FSDP2, where one GPU trains alike. A way that fails is told of, and the others go on. --torchrun trains on one GPU
through torchrun too, in turn with the plain engine, three rounds each. --tiny shows on the CPU that all of this works:
processes in place of GPUs, a model of 100,000 weights, `plain` and `fsdp`; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cockpit.launch.engines import EngineKey, StartedEngine, engine_environment, start_engine
from cockpit.machine.child_environment import python_command
from cockpit.machine.gpu import GpuProbe
from cockpit.paths import runs_folder
from cockpit.preflight.outlook import fitted_here
from cockpit.protocol.events import MachineRead, RunEnded, StepEnded
from cockpit.recipe.document import RecipeDocument, resolved_yaml
from cockpit.runs.folder import RunDir, new_run_id
from cockpit.runs.link import RunLink
from tests.bench.gpu import RECIPE, WARM_UP_STEPS, write_rows
from tests.bench.random_models import make_model
from tests.engine import tiny

PLAIN = ("backend=transformers", "model.quantization=none", "training.gradient_checkpointing=non_reentrant",
         "training.optim=adamw_torch_fused")  # fmt: skip
UNSLOTH = ("training.gradient_checkpointing=unsloth", "hardware.parallel=ddp")
WAYS = {
    "as-written": ("training.fit=as_written", *UNSLOTH),
    "auto": ("training.fit=auto", *UNSLOTH),
    "bf16": ("training.fit=as_written", "model.quantization=none", *UNSLOTH),
    "plain": ("training.fit=as_written", *PLAIN, "hardware.parallel=ddp"),
    "fsdp": ("training.fit=as_written", *PLAIN, "hardware.parallel=fsdp"),
}
TINY = ("plain", "fsdp")
TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Figures:
    """Of one run. `first_step_s` is since it was asked for, `vram_mib` the most that a GPU held of the run."""

    way: str
    gpus: int
    step_s: float
    tokens_s: float
    first_step_s: float
    vram_mib: float | None
    loss: float

    def line(self, alone: float | None) -> str:
        """The figures in words; `alone`: tokens a second of one GPU."""
        share = f", {self.tokens_s / self.gpus / alone:.1%} of linear" if alone else ""
        memory = f", {self.vram_mib:,.0f} MiB" if self.vram_mib is not None else ""
        return (
            f"{self.way}, {self.gpus}: {self.step_s:.3f} s/step, {self.tokens_s:,.0f} tokens/s{share}{memory}, "
            f"first step after {self.first_step_s:.1f} s, last loss {self.loss:.4f}"
        )


def recipe(folder: Path, model: Path, gpus: int, way: str, steps: int, *, is_tiny: bool) -> RecipeDocument:
    """What is trained."""
    if is_tiny:
        text = tiny.recipe_text(model, folder / "rows.jsonl", backend="transformers", data__eval_rows=0)
        settings: tuple[str, ...] = (f"hardware.parallel={'fsdp' if way == 'fsdp' else 'ddp'}",)
    else:
        text = RECIPE.format(
            backend="unsloth", model=model, length=2048, rank=16, rows=folder / "rows.jsonl", batch=2, accumulation=4,
            steps=steps, checkpointing="none",
        )  # fmt: skip
        settings = WAYS[way]
    document = RecipeDocument.parse(text, "bench.yaml")
    for setting in (f"hardware.devices={gpus}", f"training.max_steps={steps}", *settings):
        document.set_from_text(setting)
    return document


def measured(document: RecipeDocument, way: str, *, torchrun: bool = False) -> Figures:
    """Train it, and watch. Raises AssertionError with the run's end where it does not complete."""
    report = GpuProbe().wait()
    written = document.recipe()
    key = EngineKey.of(written, report)
    began = time.time()
    engine = start_through_torchrun(key) if torchrun else start_engine(key, "scaling")
    run = engine.train(resolved_yaml(fitted_here(written, report).recipe), "scaling", ["bench"])
    steps, most = list[StepEnded](), list[float]()
    deadline = time.monotonic() + TIMEOUT_S
    ended: RunEnded | None = None
    while ended is None:
        assert time.monotonic() < deadline, f"{run.id} takes too long"
        gone = engine.process.poll() is not None
        batch = engine.link.poll()
        for event in batch:
            if isinstance(event, StepEnded):
                steps.append(event)
            elif isinstance(event, MachineRead):
                most += [gpu.vram_this_run_mib or gpu.vram_used_mib or 0.0 for gpu in event.gpus]
            elif isinstance(event, RunEnded):
                ended = event
        assert batch or not gone, (run.path / "engine.log").read_text(errors="replace")[-2000:]
        time.sleep(0.05)
    engine.process.terminate()
    engine.process.wait(120)
    assert ended.outcome == "completed", f"{ended.reason} {ended.advice}"
    counted = steps[WARM_UP_STEPS:]
    step_s = statistics.median(step.step_time_s or 0.0 for step in counted)
    tokens = statistics.mean(step.batch_tokens or 0 for step in counted)
    return Figures(
        way, key.ranks, step_s, tokens / step_s, steps[0].at - began, max(most, default=None), steps[-1].figures["loss"]
    )


def start_through_torchrun(key: EngineKey) -> StartedEngine:
    """One rank as several are started, which the product does not do for one."""
    run = RunDir.create(runs_folder() / new_run_id("torchrun"))
    with run.engine_log.open("ab") as log:
        process = subprocess.Popen(
            python_command("cockpit.engine.torchrun", str(run.path), "--ranks", "1", "--backend", key.backend),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=run.path, env=engine_environment(key),
            start_new_session=True,
        )  # fmt: skip
    return StartedEngine(key, RunLink(run), process)


def main() -> int:
    """The table, as lines and as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scaling")
    parser.add_argument("model", nargs="?", default="llama-3-8b")
    parser.add_argument("--gpus", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/scaling"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--torchrun", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("COCKPIT_HOME", str(asked.folder / "cockpit"))
    if asked.tiny:
        model = tiny.make_model(asked.folder / "tiny")
        tiny.write_rows(asked.folder / "rows.jsonl", tiny.chat_rows(400))
    else:
        model = make_model(asked.model, asked.folder)
        write_rows(asked.folder / "rows.jsonl")
    found: list[Figures] = []
    failed: list[str] = []
    for way in TINY if asked.tiny else asked.ways:
        for gpus in asked.gpus:
            document = recipe(asked.folder, model, gpus, way, asked.steps, is_tiny=asked.tiny)
            try:
                found.append(measured(document, way))
            except AssertionError as error:
                failed.append(f"{way}, {gpus}: {error}")
                print(f"FAILED {failed[-1]}", flush=True)
                continue
            alone = next((one.tokens_s for one in found if (one.way, one.gpus) == (way, 1)), None)
            print(found[-1].line(alone), flush=True)
    if asked.torchrun:
        way = TINY[0] if asked.tiny else "as-written"
        document = recipe(asked.folder, model, 1, way, asked.steps, is_tiny=asked.tiny)
        rounds = [(measured(document, "plain"), measured(document, "torchrun", torchrun=True)) for _ in range(3)]
        found += [one for pair in rounds for one in pair]
        plain, through = (statistics.median(pair[which].step_s for pair in rounds) for which in (0, 1))
        print(f"one GPU: {plain:.4f} s/step by the plain engine, {through:.4f} through torchrun: {through / plain:.4f}")
    if asked.out is not None:
        asked.out.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
