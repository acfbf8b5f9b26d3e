"""Shipped recipes from end to end by the commands that a person types: train, chat, export, load by plain transformers.

usage: python -m tests.bench.walkthroughs FOLDER RECIPE[:LABEL] [FIELD=VALUE ...] [--as FORM] [--no-export] [--no-chat]
Random weights of the recipe's architecture, data made here: speed and memory are real, the replies are noise. Works in
FOLDER; CUDA_VISIBLE_DEVICES names the GPU. LABEL tells variants of one recipe apart. SUFFIX=-tiny in the environment
takes models for the CPU, SUFFIX=@4 such with four layers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.random_models import SHAPES, WORDS, make_model

MODELS = {"gemma-3-4b-vision": "gemma-3-4b"}
"""Recipes whose name is not that of their model."""
WARM_UP_STEPS = 3
PLAIN = """
import sys, torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer
folder = sys.argv[1]
is_vision = hasattr(AutoConfig.from_pretrained(folder), "vision_config")
kind = AutoModelForImageTextToText if is_vision else AutoModelForCausalLM
model = kind.from_pretrained(folder, dtype="auto", device_map={"": 0} if torch.cuda.is_available() else None)
tokenizer = AutoTokenizer.from_pretrained(folder)
inputs = tokenizer("the a of to", return_tensors="pt").to(model.device)
made = model.generate(**inputs, max_new_tokens=8, do_sample=False).shape[1] - inputs["input_ids"].shape[1]
print(f"{type(model).__name__} {model.dtype}: {made} tokens")
"""


def texts(count: int, seed: int) -> Iterator[str]:
    """Sentences whose lengths are those of chats: lognormal, a mean near 290 words."""
    chance, words = random.Random(seed), WORDS.split()
    for _ in range(count):
        length = min(900, max(24, int(chance.lognormvariate(5.4, 0.75))))
        yield " ".join(chance.choice(words) for _ in range(length))


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """One row a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def chats(folder: Path, form: str) -> Path:
    """Conversations of one question and one answer, as ShareGPT or as messages."""
    keys = ("from", "value", "human", "gpt") if form == "sharegpt" else ("role", "content", "user", "assistant")
    rows = []
    for text in texts(400, 1):
        cut = len(text) // 5
        turns = [{keys[0]: keys[2], keys[1]: text[:cut]}, {keys[0]: keys[3], keys[1]: text[cut:]}]
        rows.append({"conversations" if form == "sharegpt" else "messages": turns})
    return write_jsonl(folder / f"{form}.jsonl", rows)


def reasoning(folder: Path) -> Path:
    """Problems with their worked solutions."""
    rows = [
        {"problem": text[: len(text) // 5], "generated_solution": f"<think>\n{text}\n</think>\n\nfour"}
        for text in texts(300, 2)
    ]
    return write_jsonl(folder / "reasoning.jsonl", rows)


def formulas(folder: Path) -> Path:
    """Pictures of formulas, drawn here, and their LaTeX."""
    from PIL import Image, ImageDraw

    chance, rows = random.Random(3), []
    (folder / "formulas").mkdir(exist_ok=True)
    for number in range(48):
        top, bottom, power = chance.choice("abxyz"), chance.choice("uvw"), chance.randint(2, 9)
        image = Image.new("RGB", (chance.randint(160, 420), chance.randint(60, 120)), "white")
        draw = ImageDraw.Draw(image)
        draw.text((12, 12), top, fill="black")
        draw.line((8, 28, 28, 28), fill="black")
        draw.text((12, 32), bottom, fill="black")
        draw.text((36, 22), "+ k", fill="black")
        draw.text((58, 14), str(power), fill="black")
        image.save(folder / "formulas" / f"{number}.png")
        rows.append({"image": f"{number}.png", "text": rf"\frac{{{top}}}{{{bottom}}} + k^{power}"})
    return write_jsonl(folder / "formulas" / "rows.jsonl", rows)


def plain_texts(folder: Path) -> Path:
    """Rows with a text column."""
    return write_jsonl(folder / "texts.jsonl", [{"text": text} for text in texts(400, 4)])


def settings(recipe: str, folder: Path) -> list[str]:
    """What points the recipe at the data made here."""
    data = {"gemma-3-4b-vision": formulas, "llama-3-8b": plain_texts, "qwen3-8b": reasoning}.get(recipe)
    if recipe == "qwen3-8b":
        return [
            f"data.sources.0.name_or_path={reasoning(folder)}",
            "data.sources.0.split=train",
            f"data.sources.1.name_or_path={chats(folder, 'sharegpt')}",
        ]
    place = data(folder) if data else chats(folder, "messages" if recipe == "gpt-oss-20b" else "sharegpt")
    found = [f"data.sources.0.name_or_path={place}"]
    return found + (["data.sources.0.file=null"] if recipe == "llama-3-8b" else [])


def cockpit(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One command of cockpit."""
    command = [sys.executable, "-m", "cockpit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def train(recipe: str, changes: list[str]) -> dict[str, Any]:
    """`cockpit train --json`, and its figures. Times are seconds."""
    began = time.time()
    sets = [part for change in changes for part in ("--set", change)]
    done = cockpit("train", recipe, "--json", *sets)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    of = {kind: [event for event in events if event["type"] == kind] for kind in {event["type"] for event in events}}
    steps = of.get("StepEnded", [])
    figures: dict[str, Any] = {"exit": done.returncode, "total_s": round(time.time() - began, 1), "steps": len(steps)}
    figures["phases"] = [f"{event['phase']} @{event['at'] - began:.0f}" for event in of.get("PhaseStarted", [])]
    if ended := of.get("RunEnded"):
        figures |= {name: ended[-1][name] for name in ("outcome", "reason") if ended[-1][name]}
    if done.returncode:
        figures["said"] = done.stderr[-600:]
    figures["warnings"] = [event["text"][:200] for event in of.get("LogLine", []) if event.get("level") != "info"][:6]
    if steps:
        later = [event["step_time_s"] for event in steps[WARM_UP_STEPS:]] or [steps[-1]["step_time_s"]]
        tokens = (
            steps[-1]["metrics"]["tokens_seen"] - steps[min(WARM_UP_STEPS, len(steps)) - 1]["metrics"]["tokens_seen"]
        )
        figures |= {
            "first_step_s": round(steps[0]["step_time_s"], 2),
            "step_s": round(statistics.median(later), 3),
            "slowest_s": round(max(later), 2),
            "tokens_per_s": round(tokens / sum(later)),
            "losses": [round(event["metrics"]["loss"], 3) for event in (steps[0], steps[-1])],
        }
    gpus = [gpu for event in of.get("MachineRead", []) for gpu in event["gpus"]]
    own, used = (
        max((gpu.get(name) or 0 for gpu in gpus), default=0) for name in ("vram_this_run_mib", "vram_used_mib")
    )
    figures["peak_vram_mib"] = round(own or used)  # all that is used, where the driver does not know whose it is
    if saved := of.get("AdapterSaved"):
        figures["adapter_mb"] = round(saved[-1]["size_bytes"] / 1e6, 1)
    return figures


def main() -> None:
    """Walk, and print one line of JSON a station."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("recipe")
    parser.add_argument("changes", nargs="*")
    parser.add_argument("--as", dest="form", default="merged-16bit", help="what the run is exported as")
    parser.add_argument("--no-export", action="store_true")
    parser.add_argument("--no-chat", action="store_true")
    asked = parser.parse_args()
    recipe, _, label = asked.recipe.partition(":")
    name, folder = f"{recipe}:{label}" if label else recipe, asked.folder.resolve()
    (folder / "data").mkdir(parents=True, exist_ok=True)
    os.environ["COCKPIT_HOME"] = str(folder / "home" / name.replace(":", "-"))
    kind = MODELS.get(recipe, recipe)
    assert kind in SHAPES, f"no random model for {recipe}"
    model = make_model(kind + os.environ.get("SUFFIX", ""), folder / "models")
    changes = [f"model.name_or_path={model}", *settings(recipe, folder / "data"), *asked.changes]
    figures = train(recipe, changes)
    print("TRAINED", name, json.dumps(figures), flush=True)
    if figures.get("outcome") != "completed":
        return
    if not asked.no_chat:
        began = time.time()
        about = ["--image", str(folder / "data" / "formulas" / "0.png")] if recipe == "gemma-3-4b-vision" else []
        reply = cockpit("chat", "last", "-p", "Solve (x + 2)^2 = 0.", "--greedy", *about)
        said: dict[str, object] = {
            "exit": reply.returncode,
            "s": round(time.time() - began, 1),
            "characters": len(reply.stdout),
        }
        print("CHATTED", name, json.dumps(said | {"said": reply.stderr[-300:]}), flush=True)
    if not asked.no_export:
        began, merged = time.time(), folder / "merged" / name.replace(":", "-")
        done = cockpit("export", "last", "--as", asked.form, "--out", str(merged))
        said = {"exit": done.returncode, "s": round(time.time() - began, 1), "said": done.stderr[-300:]}
        print("EXPORTED", name, json.dumps(said), flush=True)
        plain = subprocess.run([sys.executable, "-c", PLAIN, str(merged)], capture_output=True, text=True, check=False)
        print("LOADED", name, plain.returncode, (plain.stdout or plain.stderr[-300:]).strip(), flush=True)


if __name__ == "__main__":
    main()
