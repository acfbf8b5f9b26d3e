"""A merged model's folder: its turns end elsewhere where our chat ends them, and llama.cpp finds the tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.export.whole_model import carry_tokenizer_sources, write_turn_ends
from tests.engine import tiny


def read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def save(folder: Path, template: str | None = tiny.CHATML, eos: str = "<|endoftext|>") -> Path:
    tokenizer = tiny.make_tokenizer(template)
    tokenizer.eos_token = eos
    tokenizer.save_pretrained(folder)
    (folder / "generation_config.json").write_text('{"_from_model_config": true, "eos_token_id": 0}')
    return folder


def test_the_ends_of_base_and_template_end_a_turn_elsewhere_too(tmp_path: Path) -> None:
    folder = save(tmp_path / "merged")
    write_turn_ends(folder, trust_remote_code=False)
    assert read(folder / "generation_config.json") == {"eos_token_id": [0, 2]}
    assert read(folder / "tokenizer_config.json")["eos_token"] == "<|im_end|>"


@pytest.mark.parametrize("template", [None, "{{ eos_token }}" + tiny.CHATML])
def test_a_tokenizer_whose_template_needs_its_end_keeps_it(tmp_path: Path, template: str | None) -> None:
    folder = save(tmp_path / "merged", template)
    write_turn_ends(folder, trust_remote_code=False)
    assert read(folder / "generation_config.json")["eos_token_id"] == ([0, 2] if template else 0)
    assert read(folder / "tokenizer_config.json")["eos_token"] == "<|endoftext|>"


def test_tokenizer_model_is_carried_with_what_is_special(tmp_path: Path) -> None:
    base, place, said = save(tmp_path / "base"), save(tmp_path / "merged"), list[str]()
    (base / "tokenizer.model").write_bytes(b"pieces")
    carry_tokenizer_sources(base, place, said.append)
    assert (place / "tokenizer.model").read_bytes() == b"pieces"
    added = read(place / "tokenizer_config.json")["added_tokens_decoder"]
    assert (added["2"]["content"], added["2"]["special"]) == ("<|im_end|>", True)
    assert said == []


def test_tokenizer_model_is_left_out_where_the_tokens_have_changed(tmp_path: Path) -> None:
    base, place, said = save(tmp_path / "base"), save(tmp_path / "merged"), list[str]()
    (base / "tokenizer.model").write_bytes(b"pieces")
    text = (place / "tokenizer.json").read_text()
    (place / "tokenizer.json").write_text(text.replace("<|im_end|>", "<end>"))
    carry_tokenizer_sources(base, place, said.append)
    assert not (place / "tokenizer.model").exists()
    assert said == [
        "The base's tokenizer.model is left out: the chat template that was trained has changed the tokenizer."
    ]
