"""Saved folders as transformers 4.57 reads them: the names that it knows stand beside those of transformers 5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.model.saved_files import finish_saved


def finished(folder: Path, name: str, content: dict[str, Any]) -> dict[str, Any]:
    (folder / name).write_text(json.dumps(content))
    finish_saved(folder)
    read: dict[str, Any] = json.loads((folder / name).read_text())
    return read


@pytest.mark.parametrize(
    ("rope", "added"),
    [
        ({"rope_theta": 500000.0, "rope_type": "default"}, {"rope_theta": 500000.0}),
        (
            {"rope_theta": 500000.0, "rope_type": "llama3", "factor": 8.0},
            {"rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
        ),
        (
            {"rope_theta": 10000.0, "rope_type": "default", "partial_rotary_factor": 0.5},
            {"rope_theta": 10000.0, "partial_rotary_factor": 0.5},
        ),
        (
            {
                "full_attention": {"rope_theta": 1e6, "rope_type": "linear", "factor": 8.0},
                "sliding_attention": {"rope_theta": 1e4, "rope_type": "default"},
            },
            {
                "rope_theta": 1e6,
                "rope_local_base_freq": 1e4,
                "rope_scaling": {"rope_type": "linear", "factor": 8.0},
            },
        ),
    ],
)
def test_the_rotary_base_is_not_lost(tmp_path: Path, rope: dict[str, Any], added: dict[str, Any]) -> None:
    part = {"model_type": "llama", "rope_parameters": rope}
    assert finished(tmp_path, "config.json", part) == part | added
    assert finished(tmp_path, "config.json", {"text_config": part}) == {"text_config": part | added}


def test_gpt_neox_has_names_of_its_own(tmp_path: Path) -> None:
    rope = {"rope_theta": 10000.0, "rope_type": "default", "partial_rotary_factor": 0.25}
    config = finished(tmp_path, "config.json", {"model_type": "gpt_neox", "rope_parameters": rope})
    assert (config["rotary_emb_base"], config["rotary_pct"]) == (10000.0, 0.25)


def test_the_tokenizers_class_and_special_tokens_are_known_to_both(tmp_path: Path) -> None:
    told = {
        "tokenizer_class": "TokenizersBackend",
        "eos_token": "<|im_end|>",
        "image_token": "<image>",
        "extra_special_tokens": ["<|im_start|>", "<tool>"],
    }
    config = finished(tmp_path, "tokenizer_config.json", told)
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert config["additional_special_tokens"] == ["<|im_start|>", "<tool>"]
    assert config["extra_special_tokens"] == {"image_token": "<image>"}
    assert finished(tmp_path, "tokenizer_config.json", config) == config, "a second time changes nothing"


def test_a_tokenizer_with_special_tokens_stays_the_same_in_transformers_5(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from tests.engine.tiny import make_tokenizer

    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<tool>", "<|im_start|>"]})
    tokenizer.save_pretrained(tmp_path)
    finish_saved(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert type(again) is type(tokenizer)
    assert set(again.all_special_tokens) == set(tokenizer.all_special_tokens) >= {"<tool>", "<|im_start|>"}
    assert again("<tool>a red<|im_end|>").input_ids == tokenizer("<tool>a red<|im_end|>").input_ids
    assert again.chat_template == tokenizer.chat_template


def test_images_and_videos_are_prepared_as_before(tmp_path: Path) -> None:
    images, videos = {"image_processor_type": "A", "size": 1}, {"video_processor_type": "B", "size": 2}
    processor = {"processor_class": "P", "image_processor": images, "video_processor": videos}
    finished(tmp_path, "processor_config.json", processor)
    assert json.loads((tmp_path / "preprocessor_config.json").read_text()) == images | {"processor_class": "P"}
    assert json.loads((tmp_path / "video_preprocessor_config.json").read_text()) == videos | {"processor_class": "P"}


def test_the_number_of_experts_stands_under_both_names(tmp_path: Path) -> None:
    part = {"model_type": "qwen3_moe", "num_local_experts": 8}
    assert finished(tmp_path, "config.json", part) == part | {"num_experts": 8}
    of_both = part | {"num_experts": 8}
    assert finished(tmp_path, "config.json", of_both) == of_both
