"""The same QLoRA work by a bare script and by cockpit, in turn, on one NVIDIA GPU with random weights.

usage: python -m tests.bench.gpu NAME [--backends B ...] [--rounds N] [--steps N] [--only WHO]
       [--first WHO] [--warm] [--folder DIR] [--out FILE]
NAME is one of tests.bench.random_models. CUDA_VISIBLE_DEVICES names the GPU, which nobody else may use meanwhile. Each
contender keeps caches of its own in DIR, empty at first: its first round is cold. Of cockpit's rounds all but the first
(with --warm: all) start from a warm standby. WHO (bare or cockpit) goes alone, or goes first in every other round.
Memory is what the driver says of the whole GPU, sampled ten times a second, less what was used before.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pynvml

from cockpit.launch.engines import EngineKey, StartedEngine, start_engine, start_standby
from cockpit.protocol.events import PhaseStarted, RunEnded, StepEnded
from cockpit.recipe.document import RecipeDocument
from tests.bench.random_models import WORDS, make_model

LENGTH, BATCH, ACCUMULATION, RANK = 2048, 2, 4, 16
TOKENS = LENGTH * BATCH * ACCUMULATION
"""A step's."""
WARM_UP_STEPS = 5
"""Not counted: the first steps compile, and the allocator still grows."""
TIMEOUT_S = 500

RECIPE = """
schema: 1
method: sft
about: {{title: bench, description: The bare script's work., needs: one GPU, duration: 2 min}}
backend: {backend}
model: {{name_or_path: {model}, max_seq_length: {length}, quantization: nf4}}
lora: {{r: {rank}, lora_alpha: {rank}}}
data:
  sources: [{{name_or_path: {rows}, format: text}}]
training:
  per_device_train_batch_size: {batch}
  gradient_accumulation_steps: {accumulation}
  max_steps: {steps}
  warmup_steps: 2
  learning_rate: 2e-4
  gradient_checkpointing: {checkpointing}
"""


@dataclass
class Round:
    """One run of one contender. Times are seconds since it was started; None: it had none."""

    who: str
    backend: str
    start: str
    stamps: list[float] = field(default_factory=list)
    vram_mib: float = 0.0
    losses: list[float] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    """What cockpit turned to, and when."""
    problem: str = ""

    @property
    def step_s(self) -> list[float]:
        """Duration of each step after the warm-up."""
        return [b - a for a, b in zip(self.stamps[WARM_UP_STEPS - 1 :], self.stamps[WARM_UP_STEPS:], strict=False)]

    def line(self) -> str:
        """The figures in words."""
        if self.problem or not self.step_s:
            return f"{self.who} {self.backend} ({self.start}): {self.problem or 'no step'}"
        median = statistics.median(self.step_s)
        return (
            f"{self.who} {self.backend} ({self.start}): {median:.3f} s/step ({min(self.step_s):.3f} to "
            f"{max(self.step_s):.3f}), {TOKENS / median:,.0f} tokens/s, {self.vram_mib:,.0f} MiB, "
            f"first step after {self.stamps[0]:.1f} s, losses {self.losses[0]:.4f} .. {self.losses[-1]:.4f} "
            f"{', '.join(self.phases)}"
        ).rstrip()


def write_rows(path: Path) -> None:
    """Texts of at least LENGTH tokens each, whatever the tokenizer: every word is one token or more."""
    words = WORDS.split()
    texts = [" ".join(words[(i * 7 + j * (i + 3)) % len(words)] for j in range(LENGTH + 8)) for i in range(32)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


@contextmanager
def watched_vram(result: Round) -> Iterator[None]:
    """Put the most that the GPU held meanwhile, less what it held before, into `result`."""
    gpu = pynvml.nvmlDeviceGetHandleByIndex(int(os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]))
    before = most = pynvml.nvmlDeviceGetMemoryInfo(gpu).used
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.1):
            most = max(most, pynvml.nvmlDeviceGetMemoryInfo(gpu).used)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        result.vram_mib = (most - before) / 2**20


@contextmanager
def caches(folder: Path) -> Iterator[None]:
    """Compiled code is kept in `folder` meanwhile."""
    names = (
        "XDG_CACHE_HOME",
        "TRITON_CACHE_DIR",
        "TORCHINDUCTOR_CACHE_DIR",
        "UNSLOTH_COMPILE_LOCATION",
        "UNSLOTH_MEGA_CACHE_DIR",
    )
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: str(folder / name.lower()) for name in names})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def bare(model: Path, backend: str, steps: int, folder: Path, *, warm: bool) -> Round:
    """One run of the bare script, which is never `warm`."""
    del warm
    result = Round("bare", backend, "cached" if (folder / f"bare-{backend}").exists() else "cold")
    command = [sys.executable, str(Path(__file__).with_name("bare_script.py")), str(model), backend, str(steps)]
    with watched_vram(result), caches(folder / f"bare-{backend}"), (folder / "bare.log").open("a") as log:
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True, timeout=TIMEOUT_S, check=False
        )
    figures = [line.removeprefix("FIGURES ") for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
    if not figures:
        result.problem = f"ended with {done.returncode}; see {folder / 'bare.log'}"
        return result
    found = json.loads(figures[0])
    result.stamps, result.losses = found["stamps"], found["losses"]
    return result


def cockpit(model: Path, backend: str, steps: int, folder: Path, *, warm: bool) -> Round:
    """One run of cockpit's engine, started as the app starts it; `warm`: from a standby."""
    cached = "cached" if (folder / f"cockpit-{backend}").exists() else "cold"
    result = Round("cockpit", backend, "warm" if warm else cached)
    rows = folder / "rows.jsonl"
    write_rows(rows)
    checkpointing = "unsloth" if backend == "unsloth" else "non_reentrant"
    text = RECIPE.format(
        backend=backend, model=model, length=LENGTH, rank=RANK, rows=rows, batch=BATCH, accumulation=ACCUMULATION,
        steps=steps, checkpointing=checkpointing,
    )  # fmt: skip
    document = RecipeDocument.parse(text, "bench.yaml")
    document.recipe()
    device = pynvml.nvmlDeviceGetHandleByIndex(int(os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]))
    key = EngineKey(backend, pynvml.nvmlDeviceGetUUID(device))
    with watched_vram(result), caches(folder / f"cockpit-{backend}"):
        if warm:
            engine = start_standby(key)
            wait_for_standby(engine)
            began = time.time()
        else:
            began = time.time()
            engine = start_engine(key, "bench")
        engine.train(document.resolved_yaml(), "bench", [])
        _follow(engine, result, began)
        engine.process.terminate()
        engine.process.wait(60)
    return result


def wait_for_standby(engine: StartedEngine) -> float:
    """The Unix time at which it had imported the stack."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        for event in engine.link.poll():
            if isinstance(event, PhaseStarted) and event.phase == "standby":
                return event.at
        assert engine.process.poll() is None, "the standby has ended"
        time.sleep(0.05)
    raise TimeoutError("the standby did not get warm")


def _follow(engine: StartedEngine, result: Round, began: float) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        for event in engine.link.poll():
            if isinstance(event, PhaseStarted):
                result.phases.append(f"{event.phase} @{event.at - began:.1f}")
            elif isinstance(event, StepEnded):
                result.stamps.append(event.at - began)
                result.losses.append(event.figures.get("loss", float("nan")))
            elif isinstance(event, RunEnded):
                result.problem = "" if event.outcome == "completed" else f"{event.outcome}: {event.reason}"
                return
        time.sleep(0.05)
    result.problem = f"not done after {TIMEOUT_S} s"


def compare(rounds: list[Round]) -> None:
    """Print cockpit over bare, round by round."""
    for backend in dict.fromkeys(one.backend for one in rounds):
        good = [one for one in rounds if one.backend == backend and one.step_s and not one.problem]
        both = {who: [one for one in good if one.who == who] for who in ("bare", "cockpit")}
        pairs = list(zip(both["bare"], both["cockpit"], strict=False))
        if not pairs:
            continue
        ratios = [statistics.median(ours.step_s) / statistics.median(theirs.step_s) for theirs, ours in pairs]
        more = [ours.vram_mib - theirs.vram_mib for theirs, ours in pairs]
        spread = f"{min(ratios):.4f} to {max(ratios):.4f}"
        print(
            f"{backend}: cockpit over bare: s/step {statistics.median(ratios):.4f} ({spread}), VRAM {more[-1]:+.0f} MiB"
        )
        for one in both["cockpit"]:
            theirs = both["bare"][0 if one.start == "cold" else -1]
            ratio = one.stamps[0] / theirs.stamps[0]
            print(f"  start to first step, cockpit {one.start} over bare with the same caches: {ratio:.2f}")


def main() -> None:
    """Measure, print, and write the rounds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--backends", nargs="+", default=["unsloth", "transformers"])
    parser.add_argument("--only", choices=["bare", "cockpit"], help="leave the other contender out")
    parser.add_argument("--first", choices=["bare", "cockpit"], default="bare")
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=36)
    parser.add_argument("--folder", type=Path, default=Path("gpu_bench"))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    pynvml.nvmlInit()
    folder = (asked.folder / asked.name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("COCKPIT_HOME", str(folder / "home"))
    model = make_model(asked.name, asked.folder.resolve() / "models")
    rounds: list[Round] = []
    for backend in asked.backends:
        for number in range(asked.rounds):
            for contender in (bare, cockpit) if (number % 2 == 0) == (asked.first == "bare") else (cockpit, bare):
                if asked.only not in (None, contender.__name__):
                    continue
                warm = asked.warm or number > 0
                rounds.append(contender(model, backend, asked.steps, folder, warm=warm))
                print(f"{asked.name}: {rounds[-1].line()}", flush=True)
                if asked.out:
                    asked.out.write_text(json.dumps([asdict(one) for one in rounds]))
    compare(rounds)


if __name__ == "__main__":
    main()
