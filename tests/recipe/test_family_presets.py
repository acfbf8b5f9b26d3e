"""Presets of a model's family stand beside the recipe's own, told by the model's name."""

from __future__ import annotations

import pytest

from cockpit.recipe.chat import Sampling
from cockpit.recipe.family_presets import FAMILIES, all_presets, family_presets


@pytest.mark.parametrize(
    ("name", "presets"),
    [
        ("unsloth/Qwen3-8B", ["qwen3 answers", "qwen3 thinks"]),
        ("/models/gemma-3-270m", ["gemma"]),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", ["smollm2"]),
        ("unsloth/llama-3-8b-bnb-4bit", ["llama 3"]),
        ("openai/gpt-oss-20b", ["gpt-oss"]),
        ("embedded:demo", []),
    ],
)
def test_the_family_is_told_by_the_name(name: str, presets: list[str]) -> None:
    assert [preset.name for preset in family_presets(name)] == presets


def test_what_the_recipe_has_already_is_not_there_twice() -> None:
    own = [Sampling(name="chat", temperature=1.0, top_p=0.95, top_k=64)]
    assert all_presets(own, "gemma-3-4b") == own
    assert [preset.name for preset in all_presets(own, "qwen3")] == ["chat", "qwen3 answers", "qwen3 thinks"]
    assert all(family_presets(pattern.replace("-?", "-").split("|")[0].replace("[34]", "3")) for pattern in FAMILIES)
