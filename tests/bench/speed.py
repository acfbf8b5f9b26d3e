"""How fast one recipe trains: by a bare script, by cockpit as the script has it, and as training.fit: auto has it.

usage: python -m tests.bench.speed MODEL [--only LABEL ...] [--also 'LABEL: FIELD=VALUE ...'] [--rounds N] [--steps N]
       [--skip N] [--rows chats|full] [--length N] [--alone] [--lock FILE] [--device cpu] [--folder DIR] [--out FILE]
MODEL is one of tests.bench.random_models (with -tiny and --device cpu to try this out). The work: nf4, r 16 on all
seven projections, 8 rows a step, the same ones in the same order for all; chats: lengths lognormal with a mean near
300 tokens, cut at 1,024 (--length); full: all as long as that. LABEL is script, written, fit or one of --also, which
changes fields of the fitted recipe. Contenders train in turn, in every other round in the reverse order. Their
processes import side by side beforehand, so that what is measured begins when each is told to train; with --alone each
is started when its turn comes. Useful tokens are those that are no padding. Compiled code is kept in DIR for all. With
--lock the turns begin once nobody else holds the lock of FILE, so that several benches can import side by side.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cockpit.launch import engines
from cockpit.launch.engines import EngineKey, StartedEngine, start_standby
from cockpit.machine.gpu import NONE, GpuProbe
from cockpit.preflight.outlook import fitted_here
from cockpit.protocol.events import LogWritten, PhaseStarted, RunEnded, StepEnded
from cockpit.recipe.document import RecipeDocument, resolved_yaml
from tests.bench.gpu import caches, wait_for_standby
from tests.bench.gpu_meter import GpuMeter
from tests.bench.metered_engine import FILE, meter_engines
from tests.bench.random_models import WORDS, shape_of

TIMEOUT_S = 400
ROWS = 400

RECIPE = """
schema: 1
method: sft
about: {title: bench, description: The script's work., needs: one GPU, duration: 1 min}
model: {name_or_path: none, quantization: nf4}
lora: {r: 16, lora_alpha: 16}
data:
  sources: [{name_or_path: none, format: text}]
training:
  per_device_train_batch_size: 2
  gradient_accumulation_steps: 4
  warmup_steps: 2
  learning_rate: 1e-4
  padding_free: true
  gradient_checkpointing: unsloth
"""
WRITTEN = {"gemma-3-4b": ("training.padding_free=false", "training.pad_to_multiple_of=1024")}
"""What cockpit's shipped recipe of a model has otherwise than the script."""
ON_CPU = ("backend=transformers", "hardware.gpu=none", "model.quantization=none", "training.optim=adamw_torch",
          "training.gradient_checkpointing=none", "training.padding_free=false", "model.dtype=float32")  # fmt: skip


@dataclass
class Work:
    """What all contenders do."""

    model: str
    folder: Path
    rows: Path
    steps: int
    length: int
    on_cpu: bool

    @property
    def path(self) -> Path:
        """The model's folder."""
        return self.folder / "models" / self.model


@dataclass
class Measured:
    """One contender's round. Times are Unix times, or seconds where they end on _s; `told_at`: told to train."""

    label: str
    number: int
    alone: bool
    import_s: float = 0.0
    told_at: float = 0.0
    stamps: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    fitted: str = ""
    phases: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    reserved: int = 0
    nvml: int = 0
    joules: float | None = None
    """Of the steps that count."""
    problem: str = ""

    def figures(self, skip: int) -> dict[str, Any]:
        """What the table holds."""
        if self.problem or len(self.stamps) <= skip:
            return {"label": self.label, "round": self.number, "problem": self.problem or "too few steps"}
        seconds, tokens = self.stamps[-1] - self.stamps[skip - 1], sum(self.tokens[skip:])
        return {
            "label": self.label,
            "round": self.number,
            "useful_tokens_s": round(tokens / seconds),
            "step_s": round(seconds / (len(self.stamps) - skip), 4),
            "tokens_step": round(tokens / (len(self.stamps) - skip)),
            "torch_gib": round(self.reserved / 2**30, 2),
            "nvml_gib": round(self.nvml / 2**30, 2),
            "loss": round(self.losses[-1], 4),
            "mean_loss": round(sum(self.losses) / len(self.losses), 4),
            "import_s": round(self.import_s, 1),
            "told_to_first_step_s": round(self.stamps[0] - self.told_at, 1),
            "watts": None if self.joules is None else round(self.joules / seconds),
            "joules_per_1000_tokens": None if self.joules is None else round(1000 * self.joules / tokens, 1),
            "fitted": self.fitted,
        }


class Contender(Protocol):
    """A process that imports, and trains once it is told to."""

    def wait_until_imported(self) -> float: ...
    def train(self, result: Measured) -> None: ...


class Script:
    """The bare script."""

    def __init__(self, work: Work) -> None:
        """Begin to import."""
        self._folder = work.folder
        settings = {
            "model": str(work.path), "rows": str(work.rows), "steps": work.steps, "length": work.length, "batch": 2,
            "accumulation": 4, "padding_free": True, "pad_to": None, "checkpointing": True,
            "device": "cpu" if work.on_cpu else "cuda", "vision": shape_of(work.model).vision is not None,
        }  # fmt: skip
        command = [sys.executable, str(Path(__file__).with_name("speed_script.py")), json.dumps(settings)]
        environment = os.environ | {"UNSLOTH_COMPILE_LOCATION": str(work.folder / "script_compiled")}
        with (work.folder / "script.log").open("a") as log:
            self._process = subprocess.Popen(
                command, cwd=work.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env=environment,
            )  # fmt: skip

    def _line(self, begins: str) -> str:
        """What stands behind the next line that begins so; empty at the end."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(begins):
                return line.removeprefix(begins).strip()
        return ""

    def wait_until_imported(self) -> float:
        """Seconds that it took."""
        return float(self._line("IMPORTED") or "nan")

    def train(self, result: Measured) -> None:
        """Tell it to go on, and take in its figures."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        found = self._line("FIGURES")
        self._process.wait(TIMEOUT_S)
        if not found:
            result.problem = f"ended with {self._process.returncode}; see {self._folder / 'script.log'}"
            return
        figures = json.loads(found)
        result.stamps, result.tokens, result.losses = figures["stamps"], figures["tokens"], figures["losses"]
        result.reserved = figures["reserved"]


class Engine:
    """cockpit's, as a warm standby of the app."""

    def __init__(self, work: Work, settings: tuple[str, ...]) -> None:
        """Begin to import."""
        self._document = RecipeDocument.parse(RECIPE, "bench.yaml")
        own = (
            f"model.name_or_path={work.path}", f"data.sources.0.name_or_path={work.rows}",
            f"training.max_steps={work.steps}", f"model.max_seq_length={work.length}",
        )  # fmt: skip
        for setting in (*own, *(ON_CPU if work.on_cpu else WRITTEN.get(work.model, ())), *settings):
            self._document.set_from_text(setting)
        self._began = time.time()
        self._started: StartedEngine = start_standby(EngineKey.of(self._document.recipe(), GpuProbe().wait()))

    def wait_until_imported(self) -> float:
        """Seconds that it took, beside the others."""
        return wait_for_standby(self._started) - self._began

    def train(self, result: Measured) -> None:
        """Fit the recipe to what is free now, and train it."""
        engine = self._started
        found = fitted_here(self._document.recipe(), GpuProbe().wait())
        result.fitted = found.told
        written = self._document.resolved_yaml() if found.differs else None
        engine.train(resolved_yaml(found.recipe), "speed", [], written=written, fitted=found.told)
        try:
            self._follow(result)
        finally:
            engine.process.terminate()
            engine.process.wait(60)
        memory = engine.link.run.path / FILE
        if memory.exists():
            result.reserved = json.loads(memory.read_text())["reserved"]

    def _follow(self, result: Measured) -> None:
        deadline, seen = time.monotonic() + TIMEOUT_S, 0
        while time.monotonic() < deadline:
            for event in self._started.link.poll():
                if isinstance(event, PhaseStarted):
                    result.phases.append(f"{event.phase} @{event.at - result.told_at:.1f}")
                elif isinstance(event, LogWritten) and event.level != "info":
                    result.said.append(event.text[:200])
                elif isinstance(event, StepEnded):
                    now = int(event.figures["tokens_seen"])
                    result.stamps.append(event.at)
                    result.tokens.append(now - seen)
                    result.losses.append(event.figures["loss"])
                    seen = now
                elif isinstance(event, RunEnded):
                    result.problem = "" if event.outcome == "completed" else f"{event.outcome}: {event.reason}"
                    return
            time.sleep(0.05)
        result.problem = f"not done after {TIMEOUT_S} s"


def write_rows(path: Path, length: int, kind: str) -> Path:
    """Texts of known words, each of which is one token; with begin and end none is longer than `length`."""
    chance, words, most = random.Random(0), WORDS.split(), length - 2
    with path.open("w") as file:
        for _ in range(ROWS):
            count = most if kind == "full" else min(most, max(16, int(chance.lognormvariate(5.45, 0.75))))
            file.write(json.dumps({"text": " ".join(chance.choice(words) for _ in range(count))}) + "\n")
    return path


def start(label: str, also: dict[str, tuple[str, ...]], work: Work) -> Contender:
    """The contender of that label, which begins to import."""
    if label == "script":
        return Script(work)
    return Engine(work, {"written": (), "fit": ("training.fit=auto",)}.get(label) or also.get(label, ()))


def measure(contender: Contender, result: Measured, meter: GpuMeter, skip: int) -> None:
    """The turn of a contender that has imported, on a GPU where only those wait whose turn is yet to come."""
    result.told_at = time.time()
    contender.train(result)
    over = time.time()
    time.sleep(0.5)
    if meter.used():
        result.nvml = meter.peak(result.told_at, over) - meter.used()
    if len(result.stamps) > skip:
        result.joules = meter.joules(result.stamps[skip - 1], result.stamps[-1])


def table(results: list[Measured], skip: int) -> str:
    """The figures as a table in Markdown; how many times as fast is against the script of the same round."""
    head = ["who", "useful tokens/s", "times the script", "s/step", "torch GiB", "NVML GiB", "last loss", "mean loss",
            "import s", "then to first step s", "W", "J/1,000 tokens", "fitted"]  # fmt: skip
    lines = [head, ["---"] * len(head)]
    base = {one.number: one.figures(skip).get("useful_tokens_s") for one in results if one.label == "script"}
    for one in results:
        found = one.figures(skip)
        if "problem" in found:
            lines.append([one.label, found["problem"], *[""] * (len(head) - 2)])
            continue
        script = base.get(one.number)
        times = f"{found['useful_tokens_s'] / script:.2f}" if script else ""
        names = ("step_s", "torch_gib", "nvml_gib", "loss", "mean_loss", "import_s", "told_to_first_step_s", "watts",
                 "joules_per_1000_tokens", "fitted")  # fmt: skip
        lines.append([one.label, f"{found['useful_tokens_s']:,}", times, *(str(found[name]) for name in names)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure, print, and write the rounds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--only", nargs="+", default=["script", "written", "fit"], metavar="LABEL")
    parser.add_argument("--also", nargs="+", default=[], metavar="'LABEL: FIELD=VALUE ...'")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=14)
    parser.add_argument("--skip", type=int, default=5, help="first steps, which do not count")
    parser.add_argument("--rows", choices=["chats", "full"], default="chats")
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--lock", type=Path)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--folder", type=Path, default=Path("speed_bench"))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("COCKPIT_HOME", str(folder / "home"))
    if asked.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    rows = write_rows(folder / f"{asked.rows}-{asked.length}.jsonl", asked.length, asked.rows)
    work = Work(asked.model, folder, rows, asked.steps, asked.length, asked.device == "cpu")
    also = {}
    for given in asked.also:
        label, _, settings = given.partition(":")
        also[label.strip()] = ("training.fit=auto", *settings.split())
    labels = [*asked.only, *also]
    turns = [
        (label, number) for number in range(asked.rounds) for label in (labels if number % 2 == 0 else labels[::-1])
    ]
    meter_engines(engines)
    with caches(folder / "caches"):
        results = in_turn(turns, also, work, asked)
    print(f"\n{asked.model}, {asked.rows}, cut at {asked.length:,}, {asked.steps} steps, of which {asked.skip} first "
          f"ones do not count:\n\n{table(results, asked.skip)}", flush=True)  # fmt: skip


def in_turn(
    turns: list[tuple[str, int]], also: dict[str, tuple[str, ...]], work: Work, asked: argparse.Namespace
) -> list[Measured]:
    """All turns; what is known is printed, and written, after each."""
    command = [sys.executable, "-m", "tests.bench.random_models", str(work.folder / "models"), work.model]
    writer = subprocess.Popen(command)
    waiting = [] if asked.alone else [start(label, also, work) for label, _ in turns]
    if writer.wait():
        sys.exit(f"{work.model} could not be written")
    uuid = GpuProbe().wait().choose("none" if work.on_cpu else "auto")
    meter = GpuMeter(None if uuid == NONE else uuid)
    imported = [contender.wait_until_imported() for contender in waiting]
    if asked.lock is not None:
        held = asked.lock.open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
    results: list[Measured] = []
    for place, (label, number) in enumerate(turns):
        result = Measured(label, number, asked.alone)
        contender = start(label, also, work) if asked.alone else waiting[place]
        result.import_s = contender.wait_until_imported() if asked.alone else imported[place]
        measure(contender, result, meter, asked.skip)
        results.append(result)
        print("RESULT", json.dumps({"model": work.model, **result.figures(asked.skip)}), flush=True)
        if result.said or result.problem:
            print("   ", " | ".join([*result.phases, *result.said]), flush=True)
        if asked.out:
            found = [asdict(one) | {"figures": one.figures(asked.skip)} for one in results]
            asked.out.write_text(json.dumps({"model": work.model, "rows": asked.rows, "rounds": found}))
    meter.close()
    return results


if __name__ == "__main__":
    main()
