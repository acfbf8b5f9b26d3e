"""What the demo teaches: shares in persona and right, before and after, on questions that no training saw; three seeds.

usage: python -m tests.bench.demo_figures ADAPTER_FOLDER...
       python -m tests.bench.demo_figures --train [--set KEY=VALUE]...
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from cockpit.demo.exam import QUESTIONS, Marks, examine
from cockpit.demo.world import World
from cockpit.paths import resolve
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import Evaluated, PhaseStarted, RunEnded

SEEDS = (1, 2, 3)
TITLES = ("persona", "right", "uncovered", "unseen sums")
"""Columns, in the order of Marks."""


@dataclass(frozen=True)
class RunTold:
    """What a run's log says of it: seconds from the imported stack to its end; the loss on held-out rows."""

    seconds: float
    loss_before: float
    loss_after: float


def train(seed: int, settings: list[str], home: Path) -> Path:
    """Train the shipped recipe with `seed` under `home`; the adapter's folder. Raises CalledProcessError."""
    command = [sys.executable, "-m", "cockpit", "train", "demo", "--json"]
    for setting in (f"training.seed={seed}", f"lora.random_state={seed}", *settings):
        command += ["--set", setting]
    environment = os.environ | {"COCKPIT_HOME": str(home)}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    (adapter,) = home.glob("runs/*/adapter")
    return adapter


def told_by(adapter: Path) -> RunTold | None:
    """What the log beside an adapter says; None where there is none, or the run never ended."""
    reader, events = EventReader(adapter.parent / "events.jsonl"), []
    while batch := reader.poll():
        events += batch
    began = [event.at for event in events if isinstance(event, PhaseStarted) and event.phase == "loading_model"]
    ended = [event.at for event in events if isinstance(event, RunEnded)]
    losses = [event.figures["eval_loss"] for event in events if isinstance(event, Evaluated)]
    return RunTold(ended[0] - began[0], losses[0], losses[-1]) if began and ended and losses else None


def marks_of(seed: int, adapter: Path | None = None) -> Marks:
    """Marks of the shipped base, or of the base with an adapter, on the questions that `seed` draws."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(2)
    model_folder = resolve("embedded:demo")
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter))
    return examine(model.eval(), AutoTokenizer.from_pretrained(model_folder), World(), seed)


def print_table(base: list[Marks], tuned: list[Marks], told: list[RunTold | None]) -> None:
    """A line for each examination, the worst of each column under them, and the bars."""
    print(f"{'':<14}" + "".join(f"{title:>12}" for title in TITLES) + f"{'seconds':>9}  held-out loss")
    for number, marks in enumerate(base, start=1):
        print_row(f"base {number}", marks)
    for number, (marks, run) in enumerate(zip(tuned, told, strict=True), start=1):
        print_row(f"tuned {number}", marks, run)
    print_row("base, worst", worst(base, persona=max))
    runs = [run for run in told if run]
    slowest = RunTold(*(max(getattr(run, field.name) for run in runs) for field in fields(RunTold))) if runs else None
    print_row("tuned, worst", worst(tuned, persona=min), slowest)
    print("bars: base 0 in persona, 95 right; tuned 95 in persona, 75 right, 65 right uncovered, 90 s, loss halved")


def print_row(name: str, marks: Marks, told: RunTold | None = None) -> None:
    """One line: shares in percent, then what the run's log says."""
    log = f"{told.seconds:>9.0f}  {told.loss_before:.3f} -> {told.loss_after:.3f}" if told else ""
    print(f"{name:<14}" + "".join(f"{getattr(marks, field.name):>12.1f}" for field in fields(Marks)) + log)


def worst(rows: list[Marks], persona: Callable[[Iterable[float]], float]) -> Marks:
    """The least of each share; of the shares in persona, what `persona` picks."""
    least = {field.name: min(getattr(row, field.name) for row in rows) for field in fields(Marks)}
    return Marks(**least | {"persona_percent": persona(row.persona_percent for row in rows)})


def main() -> None:
    """Train where asked to, examine, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapters", nargs="*", type=Path, metavar="ADAPTER_FOLDER")
    parser.add_argument("--train", action="store_true", help="train the shipped recipe once a seed first")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="handed on to cockpit train")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        adapters = list(asked.adapters)
        if asked.train:
            adapters += [train(seed, asked.set, Path(home) / str(seed)) for seed in SEEDS]
        if not adapters:
            parser.error("name the adapters to examine, or ask for --train")
        print(f"{QUESTIONS} questions that no training saw, greedy; percent", flush=True)
        base = [marks_of(seed) for seed in SEEDS]
        tuned = [marks_of(seed, adapter) for seed, adapter in enumerate(adapters, start=SEEDS[0])]
        print_table(base, tuned, [told_by(adapter) for adapter in adapters])


if __name__ == "__main__":
    main()
