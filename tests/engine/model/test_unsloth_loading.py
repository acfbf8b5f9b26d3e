"""Unsloth's CPU backend: every family loads, is adapted or trained whole, and gives a loss."""

from __future__ import annotations

import json
from pathlib import Path

from tests.engine import tiny
from tests.engine.families import make_family
from tests.engine.model.loading_facts import facts_of
from tests.engine.warm_stack import WarmStack

FAMILIES = ("llama", "gemma3-text", "gemma3", "misnamed", "gpt-oss", "qwen3")


def test_families(tmp_path: Path, rows: Path, unsloth_stack: WarmStack) -> None:
    asked = {}
    for name in FAMILIES:
        folder = tmp_path / name
        tiny.make_model(folder) if name == "qwen3" else make_family(name, folder)
        asked[name] = tiny.recipe_text(folder, rows, lora__target_modules="all-linear")
    whole = json.loads(tiny.recipe_text(tmp_path / "llama", rows)) | {"finetuning_type": "full"}
    asked["whole"] = json.dumps(whole)
    asked["dora"] = tiny.recipe_text(
        tmp_path / "llama", rows, lora__use_dora=True, lora__use_rslora=True, lora__modules_to_save=["lm_head"]
    )
    asked["tied"] = tiny.recipe_text(tmp_path / "qwen3", rows, lora__modules_to_save=["lm_head", "embed_tokens"])
    for name in ("llama", "qwen3"):
        asked[f"tokens of {name}"] = tiny.recipe_text(tmp_path / name, rows, model__add_tokens=["<call>", "<done>"])
    facts = unsloth_stack.call(facts_of, asked)
    assert list(facts) == list(asked)
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
    for name, modules in {
        "tied": ["embed_tokens"],
        "tokens of qwen3": ["embed_tokens"],
        "tokens of llama": ["embed_tokens", "lm_head"],
    }.items():
        trained_whole = sorted(name for name in facts[name]["trained"] if "lora" not in name)
        assert {one.split(".")[-4] for one in trained_whole} == set(modules), name
        assert all(".modules_to_save." in one for one in trained_whole)
