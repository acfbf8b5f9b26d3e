"""Unsloth's CPU backend, in a process of its own: every family loads, is adapted or trained whole, and gives a loss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.engine import tiny
from tests.engine.families import make_family

FAMILIES = ("llama", "gemma3-text", "gemma3", "misnamed", "gpt-oss", "qwen3")
CODE = """
import json, sys
import unsloth
import torch
from cockpit.engine.loading import load_for_training
from cockpit.recipe.document import RecipeDocument

for line in sys.stdin:
    name, text = json.loads(line)
    recipe = RecipeDocument.parse(text, "recipe.yaml").recipe()
    loaded = load_for_training(recipe, lambda text: None)
    ids = torch.tensor([loaded.tokenizer("what is the name of a colour")["input_ids"]])
    loss = loaded.model(input_ids=ids, labels=ids).loss
    loss.backward()
    trained = sorted(name for name, p in loaded.model.named_parameters() if p.requires_grad)
    with_gradient = sum(p.grad is not None for p in loaded.model.parameters())
    facts = {
        "name": name, "adapted": loaded.adapted, "sees": loaded.processor is not None, "fast": loaded.tokenizer.is_fast,
        "padding": loaded.tokenizer.padding_side, "loss": loss.item(), "gradients": with_gradient, "trained": trained,
        "all": sum(1 for _ in loaded.model.parameters()), "kind": type(loaded.model).__name__,
    }
    print("FACTS", json.dumps(facts))
"""


def test_families(tmp_path: Path, rows: Path) -> None:
    asked = []
    for name in FAMILIES:
        folder = tmp_path / name
        tiny.make_model(folder) if name == "qwen3" else make_family(name, folder)
        asked.append((name, tiny.recipe_text(folder, rows, lora__target_modules="all-linear")))
    whole = json.loads(tiny.recipe_text(tmp_path / "llama", rows)) | {"finetuning_type": "full"}
    asked.append(("whole", json.dumps(whole)))
    dora = tiny.recipe_text(
        tmp_path / "llama", rows, lora__use_dora=True, lora__use_rslora=True, lora__modules_to_save=["lm_head"]
    )
    asked.append(("dora", dora))
    tied = tiny.recipe_text(tmp_path / "qwen3", rows, lora__modules_to_save=["lm_head", "embed_tokens"])
    asked.append(("tied", tied))
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        input="".join(json.dumps(pair) + "\n" for pair in asked),
        capture_output=True,
        text=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "UNSLOTH_COMPILE_LOCATION": str(tmp_path / "compiled")},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    printed = (json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("FACTS "))
    facts = {fact["name"]: fact for fact in printed}
    assert list(facts) == [name for name, _ in asked]
    for name, fact in facts.items():
        assert fact["loss"] > 0, name
        assert fact["gradients"] > 0, name
        assert fact["fast"], name
        assert fact["padding"] == "right", name
        assert fact["adapted"] == (name != "whole")
        assert fact["sees"] == (name == "gemma3")
    assert all("lora" in parameter for parameter in facts["gemma3"]["trained"])
    assert all("language_model" in parameter for parameter in facts["gemma3"]["trained"])
    assert len(facts["whole"]["trained"]) == facts["whole"]["all"]
    assert any("lora_magnitude_vector" in parameter for parameter in facts["dora"]["trained"])
    assert any("lm_head.modules_to_save" in parameter for parameter in facts["dora"]["trained"])
    whole = [name for name in facts["tied"]["trained"] if "lora" not in name]
    assert len(whole) == 1 and "embed_tokens.modules_to_save" in whole[0]
