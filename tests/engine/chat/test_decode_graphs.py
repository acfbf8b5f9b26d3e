"""Replies that are drawn by replayed CUDA graphs are, token by token, those that the model itself draws."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer

from cockpit.engine.model.loading import Loaded
from cockpit.protocol.commands import Chat
from tests.engine.chat.answering import Recorder, new_run, talks
from tests.engine.families import make_family

TOKENS = 100
"""More than the window that the tiny Gemma 3 looks back to."""


def drawn(
    chatter: Recorder, *, adapter: bool, quick: bool, tokens: int = TOKENS, padded: tuple[int, ...] = ()
) -> list[list[int]]:
    """The tokens of a greedy reply that goes on to its limit; `padded`: of one more for each such number, to the same
    prompt behind as many tokens that are not to be seen."""
    chat = Chat(id="1", messages=talks(["what is red"])[0], adapter=adapter, do_sample=False, max_new_tokens=tokens)
    with torch.inference_mode():
        inputs = chatter.inputs(chat)
        settings = chatter.settings(chat, tokens)
        settings.min_new_tokens = tokens
        if padded:
            inputs = {name: value.repeat(len(padded) + 1, 1) for name, value in inputs.items()}
            for row, number in enumerate(padded, start=1):
                inputs["attention_mask"][row, :number] = 0
        if quick:
            rows, _ = chatter.generate(chat, inputs, settings, lambda: False)
        else:
            with chatter.loaded.model.disable_adapter() if not adapter else nullcontext():
                rows = chatter.loaded.model.generate(**inputs, generation_config=settings)
    ids: list[list[int]] = rows[:, -tokens:].tolist()
    return ids


def chatter_of(family: str, folder: Path, device: str) -> Recorder:
    """One whose adapter says other things than its base."""
    path = make_family(family, folder / family)
    auto = AutoModelForImageTextToText if family == "gemma3" else AutoModelForCausalLM
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    base = auto.from_pretrained(path, dtype=dtype).to(device).eval()
    torch.manual_seed(1)
    for name, weight in base.named_parameters():
        if "layers" in name and "vision" not in name:
            weight.data += torch.randn_like(weight) / 3
    names = r".*language_model.*\.[qv]_proj" if family == "gemma3" else ["q_proj", "v_proj"]
    model = get_peft_model(base, LoraConfig(r=4, target_modules=names, init_lora_weights=False)).eval()
    return Recorder(Loaded(model, AutoTokenizer.from_pretrained(path), 400, "transformers"), new_run(folder))


@pytest.mark.gpu
@pytest.mark.parametrize("family", ["llama", "gemma3-text", "gemma3"])
def test_replayed_tokens_are_those_of_the_model(family: str, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no NVIDIA GPU here")
    chatter = chatter_of(family, tmp_path, "cuda")
    expected = {adapter: drawn(chatter, adapter=adapter, quick=False) for adapter in (True, False)}
    assert expected[True] != expected[False]
    for adapter in (True, False, True):
        assert drawn(chatter, adapter=adapter, quick=True) == expected[adapter]
    assert chatter.quick.alone.why_not == ""
    assert chatter.quick.alone.replayed > 2 * (TOKENS - 20)
    several = drawn(chatter, adapter=True, quick=False, padded=(3, 5))
    assert several[0] != several[2]
    assert drawn(chatter, adapter=True, quick=True, padded=(3, 5)) == several
    assert chatter.quick.several.why_not == ""
    assert chatter.quick.several.replayed > TOKENS - 20
    with torch.no_grad():
        for name, weight in chatter.loaded.model.named_parameters():
            if "lora_B" in name:
                weight.mul_(-1)  # in place, as an optimizer does
    changed = drawn(chatter, adapter=True, quick=False)
    assert changed != expected[True]
    assert drawn(chatter, adapter=True, quick=True) == changed
    assert drawn(chatter, adapter=True, quick=False) == changed, "the model's own pass is its own again"


@pytest.mark.gpu
def test_a_model_whose_attention_is_its_own_is_answered_as_ever(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no NVIDIA GPU here")
    chatter = chatter_of("llama", tmp_path, "cuda")
    chatter.loaded.model.set_attn_implementation("eager")
    expected = drawn(chatter, adapter=True, quick=False)
    assert drawn(chatter, adapter=True, quick=True) == expected
    assert chatter.quick.alone.why_not
    assert chatter.quick.alone.replayed == 0


def test_without_a_gpu_the_model_answers_as_ever(tmp_path: Path) -> None:
    chatter = chatter_of("llama", tmp_path, "cpu")
    chatter.quick.alone.why_not = "there is no NVIDIA GPU"
    expected = drawn(chatter, adapter=True, quick=False, tokens=8)
    assert drawn(chatter, adapter=True, quick=True, tokens=8) == expected
    assert chatter.quick.alone.replayed == 0
