"""What is advised where memory ran out: nothing that the recipe itself would refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.errors import classify_error, memory_advice
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny


def advised(backend: str, changes: dict[str, Any], finetuning_type: str = "lora") -> str:
    text = tiny.recipe_text(Path("model"), Path("rows.jsonl"), backend=backend, **changes)
    whole = json.dumps(json.loads(text) | {"finetuning_type": finetuning_type})
    return memory_advice(RecipeDocument.parse(whole, "recipe.yaml").recipe())


@pytest.mark.parametrize(
    ("backend", "mode", "advice"),
    [
        ("unsloth", "none", "checkpointing unsloth"),
        ("unsloth", "non_reentrant", "checkpointing unsloth"),
        ("unsloth", "unsloth", ""),
        ("transformers", "none", "checkpointing non_reentrant"),
        ("transformers", "reentrant", ""),
    ],
)
def test_checkpointing_that_the_backend_has(backend: str, mode: str, advice: str) -> None:
    said = advised(backend, {"training__gradient_checkpointing": mode})
    assert said.endswith(f"training.gradient_{advice}.") if advice else "checkpointing" not in said


def test_full_training_has_no_rank_and_takes_no_quantised_weights() -> None:
    said = advised("unsloth", {"lora__r": 32}, "full")
    assert "finetuning_type lora" in said
    assert "nf4" not in said and "lora.r" not in said


def test_layers_trained_whole_and_loftq() -> None:
    said = advised("unsloth", {"lora__modules_to_save": ["lm_head"], "lora__loftq_config": {}})
    assert "no lora.modules_to_save" in said
    assert "nf4" not in said


@pytest.mark.parametrize(
    ("error", "reason", "advice"),
    [
        (RuntimeError("unable to write to file </torch_71_2_0>: No space left on device (28)"), "/dev/shm", "num_work"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's "
                      "workers are out of shared memory."), "/dev/shm", "--shm-size"),
        (OSError(28, "No space left on device", "/dev/shm/torch_71_2_0"), "The disk is full (/dev/shm", "Make room"),
        (FileNotFoundError(2, "No such file or directory", "/dev/shm/llama/config.json"), "No such file", ""),
        (OSError(28, "No space left on device", "/home/x"), "The disk is full (/home/x).", "Make room"),
    ],
)  # fmt: skip
def test_shared_memory_is_no_disk(error: Exception, reason: str, advice: str) -> None:
    ending = classify_error(error, None, 3)
    assert reason in ending.reason and advice in ending.advice
    assert ("The disk is full" in ending.reason) == (getattr(error, "errno", None) == 28)
