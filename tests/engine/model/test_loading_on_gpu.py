"""Every way of loading on an NVIDIA GPU, with tiny models: both backends, each quantisation, type and start of LoRA."""

from __future__ import annotations

import importlib.util
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.stack import import_stack
from cockpit.machine.gpu import GpuProbe
from tests.engine import tiny
from tests.engine.families import make_family
from tests.engine.model.loading_facts import facts_of

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(500)]

WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "nf4": ("llama", {"model__quantization": "nf4"}),
    "nf4 in float16": ("llama", {"model__quantization": "nf4", "model__dtype": "float16"}),
    "int8": ("llama", {"model__quantization": "int8"}),
    "16-bit": ("llama", {}),
    "float16": ("llama", {"model__dtype": "float16"}),
    "dora": ("llama", {"lora__use_dora": True, "lora__use_rslora": True}),
    "loftq": ("llama", {"lora__loftq_config": {"loftq_bits": 4}}),
    "heads": ("llama", {"model__quantization": "nf4", "lora__modules_to_save": ["lm_head", "embed_tokens"]}),
    "text on eyes": ("gemma3", {"model__quantization": "nf4", "lora__target_modules": "all-linear"}),
    "eyes": (
        "gemma3",
        {
            "model__quantization": "nf4",
            "lora__target_modules": "all-linear",
            "lora__finetune_vision_layers": True,
            "lora__modules_to_save": ["lm_head", "embed_tokens"],
        },
    ),
    "whole": ("llama", {"finetuning_type": "full"}),
}
if importlib.util.find_spec("scipy") is None:
    del WAYS["loftq"]


@pytest.mark.parametrize("backend", ["unsloth", "transformers"])
def test_ways_of_loading(backend: str, tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = GpuProbe().wait().gpus
    if not gpus:
        pytest.skip("there is no NVIDIA GPU here")
    for family in ("llama", "gemma3"):
        make_family(family, tmp_path / family)
    asked = {}
    for name, (family, changes) in WAYS.items():
        settings = {"model__dtype": "auto", "training__gradient_checkpointing": "non_reentrant"} | changes
        whole = {"finetuning_type": settings.pop("finetuning_type")} if "finetuning_type" in settings else {}
        text = tiny.recipe_text(tmp_path / family, rows, backend=backend, **settings)
        asked[name] = json.dumps(json.loads(text) | whole)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus[0].uuid)
    monkeypatch.setenv("UNSLOTH_COMPILE_DISABLE", "1")
    monkeypatch.setenv("UNSLOTH_COMPILE_LOCATION", str(tmp_path / "compiled"))
    spawned = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned, initializer=import_stack, initargs=(backend,)) as process:
        facts = process.submit(facts_of, asked).result()
    assert {name: fact["failure"] for name, fact in facts.items() if "failure" in fact} == {}
    assert list(facts) == list(WAYS)
    for name, fact in facts.items():
        assert fact["loss"] > 0, name
        assert fact["gradients"] > 0, name
        assert (fact["quantised"] > 0) == (WAYS[name][1].get("model__quantization", "none") != "none"), name
        assert fact["dtype"] == ("torch.float16" if "float16" in name else "torch.bfloat16"), name
    assert all("language_model" in layer for layer in facts["text on eyes"]["trained"])
    assert any("vision_tower" in layer for layer in facts["eyes"]["trained"])
    assert len(facts["whole"]["trained"]) == facts["whole"]["all"]
