"""Prompts answered several at once by tiny random models of ten families: token by token what each gets alone.

usage: python -m tests.torture.batched_replies [FAMILY ...]
Among them are windows that slide, layers without attention, experts, and positions that are learnt. CPU, float32.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import transformers as tf

from cockpit.engine.model.loading import Loaded
from tests.engine import tiny
from tests.engine.chat.answering import Recorder, alone, new_run, talks, together
from tests.engine.families import SMALL

TOKENS = 12
PROMPTS = [
    "what is a dog", "red", "what is the name of a colour " * 2, "one two three", "blue cat " * 12, "yes no",
    "red blue " * 40, "dog " * 100,
]  # fmt: skip
WITHOUT_HEAD_DIM = {name: value for name, value in SMALL.items() if name != "head_dim"}
LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "num_hidden_layers": 4,
    "layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"],
}
MAMBA = {"hidden_size": 64, "num_hidden_layers": 2, "num_heads": 4, "head_dim": 32, "n_groups": 1, "state_size": 16}
FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", "LlamaConfig", SMALL),
    "mistral": ("MistralForCausalLM", "MistralConfig", {**SMALL, "sliding_window": 64}),
    "gemma3-text": ("Gemma3ForCausalLM", "Gemma3TextConfig", {**SMALL, "sliding_window": 64}),
    "gemma4-text": ("Gemma4ForCausalLM", "Gemma4TextConfig", {**SMALL, "sliding_window": 64}),
    "gpt-oss": (
        "GptOssForCausalLM",
        "GptOssConfig",
        {**SMALL, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 64},
    ),
    "qwen3.5-text": ("Qwen3_5ForCausalLM", "Qwen3_5TextConfig", {**SMALL, **LINEAR}),
    "lfm2": ("Lfm2ForCausalLM", "Lfm2Config", {**WITHOUT_HEAD_DIM, "layer_types": ["conv", "full_attention"]}),
    "mamba2": ("Mamba2ForCausalLM", "Mamba2Config", MAMBA),
    "phi3": ("Phi3ForCausalLM", "Phi3Config", WITHOUT_HEAD_DIM),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 512}),
}


def model_of(family: str) -> Loaded:
    """One with random weights so large that each prompt gets another reply."""
    model_class, config_class, config = FAMILIES[family]
    tokenizer = tiny.make_tokenizer()
    ids = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(0)
    model = getattr(tf, model_class)(getattr(tf, config_class)(**config, **ids)).eval()
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and "embed" not in name:
            weight.data += torch.randn_like(weight) * 0.3
    return Loaded(model, tokenizer, 400, "transformers")


def different(family: str) -> list[str]:
    """The prompts that got another reply together than alone."""
    loaded, asked = model_of(family), talks(PROMPTS)
    with tempfile.TemporaryDirectory() as folder:
        run = new_run(Path(folder))
        single, several = Recorder(loaded, run), Recorder(loaded, run)
        for talk in asked:
            alone(single, talk, TOKENS)
        answers = together(several, run, asked, TOKENS)
    assert {one.together for one in answers} == {len(PROMPTS)}, [one.reason for one in answers]
    assert len(single.drawn) == len(PROMPTS)
    replies = zip(PROMPTS, single.drawn, strict=True)
    return [prompt for prompt, ids in replies if several.drawn.get(ids) != single.drawn[ids]]


def main() -> int:
    """The exit status: 1 where any reply differs."""
    bad = 0
    for family in sys.argv[1:] or FAMILIES:
        found = different(family)
        bad += bool(found)
        print(f"{family}: {len(PROMPTS) - len(found)} of {len(PROMPTS)} replies are equal", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
