"""The losses of a recipe as written and as it would be fitted to a large GPU, step by step, with real weights and rows.

usage: python -m tests.bench.same_losses MODEL_FOLDER ROWS FOLDER [--backend B] [--steps N] [--length N] [--gpu auto]
       [--held-out N] [--out FILE]
As written: 2 x 4 rows a step, checkpointed, padded to the longest; fitted: 8 x 1, not checkpointed, rows joined, padded
to 512. Both by `cockpit train`, one after the other, on the CPU unless --gpu says otherwise. Prints how far the losses
are apart, and the held-out loss on the way.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

RECIPE = """
schema: 1
method: sft
about: {title: same losses, description: One recipe in two ways., needs: CPU, duration: 20 min}
model: {name_or_path: none}
lora: {r: 16, lora_alpha: 16}
data: {sources: [{name_or_path: none}], eval_rows: 0}
training:
  per_device_train_batch_size: 2
  gradient_accumulation_steps: 4
  gradient_checkpointing: non_reentrant
  warmup_steps: 10
  learning_rate: 2e-4
"""
FITTED = ("training.per_device_train_batch_size=8", "training.gradient_accumulation_steps=1",
          "training.gradient_checkpointing=none", "training.padding_free=true",
          "training.pad_to_multiple_of=512", "training.per_device_eval_batch_size=2")  # fmt: skip
"""As fit: auto would: the held-out loss is the mean over batches, which stay as written."""


def train(recipe: Path, settings: list[str]) -> dict[str, Any]:
    """A run's losses, and its held-out losses by step."""
    sets = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "cockpit", "train", str(recipe), "--json", *sets]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, stdin=subprocess.DEVNULL)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    steps = [event for event in events if event["type"] == "StepEnded"]
    return {
        "losses": [event["metrics"]["loss"] for event in steps],
        "tokens": steps[-1]["metrics"]["tokens_seen"],
        "held_out": {event["step"]: event["metrics"]["eval_loss"] for event in events if event["type"] == "Evaluated"},
    }


def main() -> None:
    """Train both ways, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--held-out", type=int, default=100)
    parser.add_argument("--backend", choices=["unsloth", "transformers"], default="transformers")
    parser.add_argument("--gpu", default="none")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    os.environ["COCKPIT_HOME"] = str(asked.folder.resolve() / "home")
    recipe = asked.folder / "same-losses.yaml"
    recipe.write_text(RECIPE)
    own = [
        f"model.name_or_path={asked.model.resolve()}", f"data.sources.0.name_or_path={asked.rows.resolve()}",
        f"model.max_seq_length={asked.length}", f"training.max_steps={asked.steps}", f"hardware.gpu={asked.gpu}",
        f"training.eval_steps={max(1, asked.steps // 4)}", f"data.eval_rows={asked.held_out}",
        f"backend={asked.backend}",
        *(["model.dtype=float32", "training.optim=adamw_torch"] if asked.gpu == "none" else []),
    ]  # fmt: skip
    found = {name: train(recipe, own + more) for name, more in (("as written", []), ("fitted", list(FITTED)))}
    one, other = (found[name]["losses"] for name in found)
    apart = [abs(b / a - 1) for a, b in zip(one, other, strict=True)]
    print(f"{len(one)} steps, tokens {[run['tokens'] for run in found.values()]}")
    print(f"losses are apart by {max(apart):.1e} at most, by {sum(apart) / len(apart):.1e} in the mean")
    for step, held_out in found["as written"]["held_out"].items():
        fitted = found["fitted"]["held_out"][step]
        print(
            f"held-out loss after step {step}: {held_out:.5f} and {fitted:.5f} ({100 * (fitted / held_out - 1):+.4f} %)"
        )
    if asked.out:
        asked.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
