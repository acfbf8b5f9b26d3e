"""What a trainer does otherwise than the recipe says is told, field by field."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cockpit.engine.training.overrides import overrides
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny

SETTINGS = {"per_device_eval_batch_size": 8, "train_sampling_strategy": "random"}
ARGS = {"bf16": True, "fp16": False, "per_device_eval_batch_size": 8, "gradient_checkpointing_kwargs": None}


def told(changes: dict[str, Any], args: dict[str, Any]) -> list[str]:
    text = tiny.recipe_text(Path("model"), Path("rows.jsonl"), **{"model__dtype": "auto"} | changes)
    trainer = SimpleNamespace(args=SimpleNamespace(**ARGS | args), data_collator=SimpleNamespace())
    return overrides(RecipeDocument.parse(text, "recipe.yaml").recipe(), SETTINGS, trainer)


def test_a_trainer_that_follows_tells_nothing() -> None:
    followed = {"model__dtype": "bfloat16", "training__gradient_checkpointing": "non_reentrant"}
    assert told(followed, {"gradient_checkpointing_kwargs": {"use_reentrant": False}}) == []


@pytest.mark.parametrize(
    ("changes", "args", "sentence"),
    [
        (
            {"training__gradient_checkpointing": "non_reentrant"},
            {"gradient_checkpointing_kwargs": {"use_reentrant": True}},
            "training.gradient_checkpointing: on a GPU Unsloth makes non_reentrant reentrant; the gradients are the "
            "same.",
        ),
        (
            {},
            {"per_device_eval_batch_size": 2},
            "training.per_device_eval_batch_size: Unsloth takes 2 rows at once in place of 8.",
        ),
        (
            {"model__dtype": "float32"},
            {},
            "model.dtype: the weights are float32, and the trainer multiplies in bfloat16.",
        ),
        (
            {"model__dtype": "float16"},
            {"bf16": False},
            "model.dtype: float16 does not suit this model here; it is trained in float32.",
        ),
        (
            {"training__padding_free": True},
            {},
            "training.padding_free is not followed: these rows are padded, as nothing here joins them.",
        ),
        (
            {"training__group_by_length": True},
            {"train_sampling_strategy": "random"},
            "training.group_by_length is not followed: rows with images come in random order.",
        ),
    ],
)
def test_what_is_not_followed_is_told(changes: dict[str, Any], args: dict[str, Any], sentence: str) -> None:
    assert told(changes, args) == [sentence]
