"""A real model learns who it is: held-out loss, the mask of five rows, ten replies before and after, as Markdown.

usage: python -m tests.bench.identity MODEL_FOLDER DATA_FILE [--name NAME] [--author AUTHOR] [--home FOLDER]
           [--set KEY=VALUE]...
DATA_FILE is LLaMA-Factory's identity.json, or any file whose answers say {{name}} and {{author}}. With --name and
--author they are filled in; without them they stay open, as they are in the file, and the model learns to say them so.
Trains on the CPU by `cockpit train`: 30 minutes for SmolLM2-135M on 2 cores beside other work, 11 of CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RECIPE = """\
schema: 1
method: sft
about: {{title: Who it is, description: Teaches a model its name and its author., needs: CPU, duration: 15 min}}
model: {{name_or_path: {model}, max_seq_length: 512, dtype: float32}}
hardware: {{gpu: none}}
lora: {{r: 16, lora_alpha: 32}}
data:
  sources: [{{name_or_path: {data}, format: alpaca}}]
  eval_rows: 15
training:
  per_device_train_batch_size: 4
  gradient_accumulation_steps: 2
  num_train_epochs: 6
  learning_rate: 8e-4
  lr_scheduler_type: cosine
  warmup_steps: 3
  gradient_checkpointing: none
  eval_steps: 10
"""
ROWS = 5
NEW_QUESTIONS = ("Hey, what should I call you?", "Which company built you?", "Is there a person behind this?")
UNRELATED = ("What is the capital of France?", "Name three colours.")
LONGEST_REPLY = 64
"""Tokens."""


def filled(data: Path, name: str | None, author: str | None, folder: Path) -> Path:
    """The rows in a file of their own, with what is given in place of {{name}} and {{author}}."""
    text = data.read_text(encoding="utf-8")
    for mark, value in (("{{name}}", name), ("{{author}}", author)):
        if value is not None:
            text = text.replace(mark, json.dumps(value)[1:-1])
    place = folder / data.name
    place.write_text(text, encoding="utf-8")
    return place


def cockpit(*arguments: str) -> str:
    """What one command of cockpit prints. Raises CalledProcessError; what it says besides goes to stderr."""
    command = [sys.executable, "-m", "cockpit", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL).stdout


def marked(sample: dict[str, Any]) -> str:
    """A row as the model is given it; what is trained stands between « and »."""
    said, is_trained = "", False
    for text, trained, *_ in sample["tokens"]:
        if trained != is_trained:
            said, is_trained = said + ("«" if trained else "»"), trained
        said += text
    return said + ("»" if is_trained else "")


def questions(samples: list[dict[str, Any]], data: Path) -> list[str]:
    """Ten: of rows that were held out, and such as stand in no row."""
    rows = json.loads(data.read_text(encoding="utf-8"))
    held_out = [int(sample["where"].rpartition(" ")[2]) for sample in samples if sample["held_out"]]
    asked = [rows[number - 1]["instruction"] for number in held_out]
    return [*asked[: 10 - len(NEW_QUESTIONS) - len(UNRELATED)], *NEW_QUESTIONS, *UNRELATED]


def replies(prompts: list[str]) -> list[tuple[str, str]]:
    """Of the base and of the run that was trained, greedy."""
    from cockpit.launch.engines import EngineKey, start_chat_engine
    from cockpit.machine.gpu import GpuProbe
    from cockpit.paths import runs_folder
    from cockpit.protocol.commands import Unload
    from cockpit.recipe.document import RecipeDocument
    from cockpit.runs.folder import RunDir
    from cockpit.runs.link import new_command_id
    from tests.engine.follower import Follower

    (folder,) = runs_folder().iterdir()
    run = RunDir(folder)
    key = EngineKey.of(RecipeDocument.load(run.recipe).recipe(), GpuProbe().wait())
    follower = Follower((started := start_chat_engine(run, key)).link, started.process)
    follower.until(lambda: follower.state.can_chat and follower.state.engine is not None)
    greedy = {"do_sample": False, "max_new_tokens": LONGEST_REPLY}
    found = [
        (follower.ask(prompt, adapter=False, **greedy)[0], follower.ask(prompt, adapter=True, **greedy)[0])
        for prompt in prompts
    ]
    follower.link.send(Unload(id=new_command_id()))
    started.process.wait(60)
    return found


def cell(text: str) -> str:
    """Text in a cell of a table."""
    return text.strip().replace("|", "\\|").replace("\n", " ⏎ ")


def main() -> None:
    """Train, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--name")
    parser.add_argument("--author")
    parser.add_argument("--home", type=Path, help="keep the run here; one that is here is not trained anew")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = asked.home or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        os.environ["COCKPIT_HOME"] = str(home)
        data = filled(asked.data, asked.name, asked.author, home)
        recipe = home / "identity.yaml"
        recipe.write_text(RECIPE.format(model=asked.model.absolute(), data=data), encoding="utf-8")
        sets = [part for setting in asked.settings for part in ("--set", setting)]
        report = json.loads(cockpit("data", str(recipe), "--json", *sets))
        if not any(home.glob("runs/*/adapter")):
            cockpit("train", str(recipe), "--json", *sets)
        (log,) = home.glob("runs/*/events.jsonl")
        events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        prompts = questions(report["samples"], data)
        tell(report, events, list(zip(prompts, replies(prompts), strict=True)))


def tell(report: dict[str, Any], events: list[dict[str, Any]], asked: list[tuple[str, tuple[str, str]]]) -> None:
    """The page's tables."""
    steps = [event for event in events if event["type"] == "StepEnded"]
    seconds = sum(event["step_time_s"] for event in steps)
    tokens = steps[-1]["metrics"]["tokens_seen"]
    print(f"{report['train_rows']} rows trained on, {report['held_out_rows']} held out; {len(steps)} steps in ", end="")
    print(f"{seconds / 60:.1f} min, {tokens / seconds:.0f} tokens/s.\n")
    print("| step | loss in training | loss on held-out rows |\n|---|---|---|")
    losses = {event["step"]: event["metrics"]["loss"] for event in steps}
    for event in events:
        if event["type"] == "Evaluated":
            trained = f"{losses[event['step']]:.3f}" if event["step"] in losses else "–"
            print(f"| {event['step']} | {trained} | {event['metrics']['eval_loss']:.3f} |")
    print("\nWhat is between « and » is trained.\n")
    for sample in report["samples"][:ROWS]:
        print(f"`{sample['where']}`: {len(sample['tokens'])} tokens, ", end="")
        print(f"{sum(token[1] for token in sample['tokens'])} trained\n\n```\n{marked(sample).rstrip()}\n```\n")
    print("| asked | before | after |\n|---|---|---|")
    for prompt, (before, after) in asked:
        print(f"| {cell(prompt)} | {cell(before)} | {cell(after)} |")


if __name__ == "__main__":
    main()
