"""The recipes of the four walk-throughs have their settings, to the letter."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.recipe.library import find_recipe

QKVO = ["q_proj", "k_proj", "v_proj", "o_proj"]
ADAPTER = {"lora_dropout": 0.0, "bias": "none", "random_state": 3407, "use_rslora": False, "loftq_config": None}
SWITCHES = ("finetune_language_layers", "finetune_attention_modules", "finetune_mlp_modules")
SHORT = {
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 4,
    "max_steps": 30,
    "warmup_steps": 5,
    "warmup_ratio": None,
    "learning_rate": 2e-4,
    "optim": "adamw_8bit",
    "weight_decay": 0.01,
    "lr_scheduler_type": "linear",
    "seed": 3407,
}

GEMMA: dict[str, dict[str, Any]] = {
    "model": {"max_seq_length": 1024, "quantization": "nf4", "dtype": "auto"},
    "hardware": {"dynamo_cache_size_limit": 64, "dynamo_accumulated_cache_size_limit": 256},
    "lora": {**ADAPTER, "r": 8, "lora_alpha": 8, "finetune_vision_layers": False, **dict.fromkeys(SWITCHES, True)},
    "data": {
        "chat_template": "gemma-3",
        "train_on": "answers",
        "instruction_part": "<start_of_turn>user\n",
        "response_part": "<start_of_turn>model\n",
    },
    "training": {**SHORT, "dataloader_num_workers": 2},
    "output": {"logging_steps": 1, "save_steps": 10, "report_to": ["tensorboard"], "run_name": "gemma-3-4b"},
}
QWEN: dict[str, dict[str, Any]] = {
    "model": {"max_seq_length": 2048, "quantization": "nf4", "dtype": "float16"},
    "lora": {**ADAPTER, "r": 32, "lora_alpha": 32, "target_modules": [*QKVO, "gate_proj", "up_proj", "down_proj"]},
    "data": {"seed": 42, "train_on": "all"},
    "training": {**SHORT, "max_length": 512, "gradient_checkpointing": "unsloth"},
    "output": {"logging_steps": 1, "report_to": []},
}
VISION: dict[str, dict[str, Any]] = {
    "model": {"name_or_path": "unsloth/gemma-3-4b-it-bnb-4bit", "quantization": "nf4"},
    "lora": {
        **ADAPTER,
        "r": 16,
        "lora_alpha": 16,
        "finetune_vision_layers": True,
        **dict.fromkeys(SWITCHES, True),
        "target_modules": "all-linear",
        "modules_to_save": ["lm_head", "embed_tokens"],
    },
    "training": {
        "max_length": 2048,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 4,
        "gradient_checkpointing": "non_reentrant",
        "max_grad_norm": 0.3,
        "warmup_ratio": 0.03,
        "max_steps": 3,
        "learning_rate": 2e-4,
        "optim": "adamw_torch_fused",
        "weight_decay": 0.01,
        "lr_scheduler_type": "cosine",
        "seed": 3407,
    },
}
OVERVIEW: dict[str, dict[str, Any]] = {
    "model": {
        "name_or_path": "unsloth/llama-3-8b-bnb-4bit",
        "max_seq_length": 2048,
        "quantization": "nf4",
        "dtype": "auto",
    },
    "lora": {"target_modules": QKVO},
    "training": {
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 4,
        "gradient_checkpointing": "unsloth",
        "lr_scheduler_type": "linear",
    },
    "output": {"logging_steps": 10},
}

NOT_MEASURED = "not measured yet"


@pytest.mark.parametrize(
    ("name", "settings"),
    [("gemma-3-4b", GEMMA), ("qwen3-8b", QWEN), ("gemma-3-4b-vision", VISION), ("llama-3-8b", OVERVIEW)],
)
def test_settings(name: str, settings: dict[str, dict[str, Any]]) -> None:
    recipe = find_recipe(name).recipe()
    for section, fields in settings.items():
        part = getattr(recipe, section)
        assert {field: getattr(part, field) for field in fields} == fields, section


def test_data() -> None:
    """What is learnt from, and how the two sets of Q are mixed."""
    gemma, qwen, vision, llama = (
        find_recipe(name).recipe().data.sources
        for name in ("gemma-3-4b", "qwen3-8b", "gemma-3-4b-vision", "llama-3-8b")
    )
    assert [(one.name_or_path, one.split) for one in gemma] == [("mlabonne/FineTome-100k", "train")]
    assert [one.ratio for one in qwen] == [None, 0.25]
    assert (qwen[0].columns.prompt, qwen[0].columns.completion) == ("problem", "generated_solution")
    assert (vision[0].name_or_path, vision[0].columns.image, vision[0].columns.text) == (
        "unsloth/LaTeX_OCR",
        "image",
        "text",
    )
    assert vision[0].instruction == "Write the LaTeX representation for this image."
    assert (llama[0].name_or_path, llama[0].file, llama[0].format) == ("laion/OIG", "unified_chip2.jsonl", "text")


def test_replies_of_q() -> None:
    chat = find_recipe("qwen3-8b").recipe().chat
    names = ("name", "enable_thinking", "max_new_tokens", "temperature", "top_p", "top_k")
    assert [tuple(getattr(preset, name) for name in names) for preset in chat.presets] == [
        ("chat", False, 256, 0.7, 0.8, 20),
        ("reasoning", True, 1024, 0.6, 0.95, 20),
    ]
    assert chat.trial_prompt == "Solve (x + 2)^2 = 0."


def test_every_header_tells_machine_and_measurement() -> None:
    """What it needs, how long it takes and on what; for a GPU measured, and saying on which weights."""
    from cockpit.paths import shipped_recipes_folder

    for path in sorted(shipped_recipes_folder().glob("*.yaml")):
        about, text = find_recipe(path.stem).recipe().about, path.read_text()
        head = text[: text.index("schema: 1")]
        assert f"cockpit train {path.stem}" in head, path.stem
        if about.duration == NOT_MEASURED:
            assert about.needs.endswith(" GiB") and "Not measured on a GPU yet." in head, path.stem
        elif about.needs != "CPU":
            assert about.needs.endswith(" GiB") and about.duration.endswith(" on an H200"), path.stem
            assert "one H200 with random weights" in head, path.stem
            assert " GiB" in head or "Memory is estimated." in head, path.stem
