"""Unsloth's CPU backend, in a process of its own: every family loads, is adapted or trained whole, and gives a loss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.engine import tiny
from tests.engine.families import make_family

FAMILIES = ("llama", "gemma3-text", "gemma3", "misnamed", "gpt-oss", "qwen3")
CODE = """
import json, sys
from cockpit.engine.stack import import_stack

import_stack(sys.argv[1])
import torch
from cockpit.engine.ending import RunFailure
from cockpit.engine.loading import load_for_training
from cockpit.engine.training import _compute_dtype
from cockpit.recipe.document import RecipeDocument

for line in sys.stdin:
    name, text = json.loads(line)
    recipe = RecipeDocument.parse(text, "recipe.yaml").recipe()
    try:
        loaded = load_for_training(recipe, lambda text: None)
    except RunFailure as failure:
        print("FACTS", json.dumps({"name": name, "failure": str(failure)}))
        continue
    device, dtype = loaded.device, _compute_dtype(recipe, loaded)
    ids = torch.tensor([loaded.tokenizer("what is the name of a colour")["input_ids"]], device=device)
    loaded.model.train()
    with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        loss = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids).loss
    loss.backward()
    trained = sorted(name for name, p in loaded.model.named_parameters() if p.requires_grad)
    facts = {
        "name": name, "adapted": loaded.adapted, "sees": loaded.processor is not None, "fast": loaded.tokenizer.is_fast,
        "padding": loaded.tokenizer.padding_side, "loss": loss.item(), "trained": trained, "dtype": str(dtype),
        "gradients": sum(p.grad is not None for p in loaded.model.parameters()),
        "all": sum(1 for _ in loaded.model.parameters()), "kind": type(loaded.model).__name__,
        "quantised": sum(type(p).__name__ in ("Params4bit", "Int8Params") for p in loaded.model.parameters()),
    }
    print("FACTS", json.dumps(facts))
    del loaded, loss
"""


def facts_of(backend: str, asked: list[tuple[str, str]], folder: Path, **environment: str) -> dict[str, dict[str, Any]]:
    """What each of the named recipes loads as, by its name, in one engine's process without a compiler."""
    place = {"UNSLOTH_COMPILE_LOCATION": str(folder / "compiled"), "UNSLOTH_COMPILE_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CODE, backend],
        input="".join(json.dumps(pair) + "\n" for pair in asked),
        capture_output=True,
        text=True,
        env=os.environ | place | environment,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    printed = (json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("FACTS "))
    return {fact["name"]: fact for fact in printed}


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
    facts = facts_of("unsloth", asked, tmp_path, CUDA_VISIBLE_DEVICES="")
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
