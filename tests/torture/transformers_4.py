"""Saved models of each family, loaded for real by transformers 4.57: the same tokens and logits as transformers 5.

usage: uv venv /tmp/tf4 && uv pip install --python /tmp/tf4/bin/python transformers==4.57.6 torch pillow
       python -m tests.torture.transformers_4 /tmp/tf4/bin/python
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FAMILIES = ("llama", "gemma3-text", "gpt-oss", "qwen3")
SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 512,
}
THETA = 500_000.0
"""Of the rotary embedding: no family's default."""
MORE: dict[str, dict[str, Any]] = {
    "llama3-rope": {
        "model_type": "llama",
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": THETA,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 128,
        },
    },
    "yarn-rope": {
        "model_type": "qwen2",
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": THETA,
            "factor": 4.0,
            "original_max_position_embeddings": 128,
        },
    },
    "mistral": {},
    "qwen2": {},
    "qwen3_moe": {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "head_dim": 32},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "phi": {"partial_rotary_factor": 0.5},
    "phi3": {},
    "gemma": {"head_dim": 32},
    "gemma2": {"head_dim": 32, "sliding_window": 64},
    "olmo2": {},
    "granite": {},
    "smollm3": {},
    "cohere": {},
    "starcoder2": {},
    "stablelm": {"partial_rotary_factor": 0.25},
    "glm4": {"head_dim": 32, "partial_rotary_factor": 0.5},
    "gpt_neox": {"partial_rotary_factor": 0.25},
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 512},
    "opt": {"ffn_dim": 128, "word_embed_proj_dim": 64},
    "bloom": {"n_layer": 2, "n_head": 2},
    "falcon": {"num_kv_heads": 1, "new_decoder_architecture": True},
    "exaone4": {"head_dim": 32, "sliding_window": 64, "layer_types": ["sliding_attention", "full_attention"]},
}
"""Further architectures by name: what their config has besides SMALL, and its model_type where that is another."""
TEXT = "<|im_start|>user\nwhat is the name of red 3<|im_end|>\n"
LOOK = f"""
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
for folder in sys.argv[1:]:
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder).eval()
        ids = tokenizer({TEXT!r}, return_tensors="pt").input_ids
        with torch.inference_mode():
            logits = model(input_ids=ids).logits[0, -1, :8].float().tolist()
        seen = {{"ids": ids[0].tolist(), "eos": tokenizer.eos_token, "logits": logits}}
    except Exception as error:
        seen = {{"failed": f"{{type(error).__name__}}: {{error}}"[:300]}}
    print(json.dumps(seen), flush=True)
"""


def seen_by(python: str, folders: list[Path]) -> list[dict[str, Any]]:
    """What that Python's transformers makes of each folder: tokens, the end of text, and a few logits."""
    done = subprocess.run(
        [python, "-c", LOOK, *map(str, folders)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether both have loaded, and the logits differ by rounding at most."""
    if "failed" in one or "failed" in other:
        return False
    near = all(abs(a - b) < 1e-4 for a, b in zip(one["logits"], other["logits"], strict=True))
    return near and (one["ids"], one["eos"]) == (other["ids"], other["eos"])


def make(name: str, folder: Path) -> Path:
    """A random model of MORE, with the tiny tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from tests.engine import tiny

    tokenizer = tiny.make_tokenizer()
    settings = dict(MORE[name])
    kind = settings.pop("model_type", name)
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    config = AutoConfig.for_model(kind, **SMALL, **ids, vocab_size=len(tokenizer), **settings)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def main(python: str) -> int:
    """Print a line for each family; how many failed."""
    from cockpit.engine.model.saved_files import finish_saved
    from tests.engine import tiny
    from tests.engine.families import make_family

    families = (*FAMILIES, *MORE)
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / family for family in families]
        for family, folder in zip(families, folders, strict=True):
            if family in MORE:
                make(family, folder)
            else:
                tiny.make_model(folder) if family == "qwen3" else make_family(family, folder)
            config = json.loads((folder / "config.json").read_text())
            if "rope_theta" in (config.get("rope_parameters") or {}):
                config["rope_parameters"]["rope_theta"] = THETA
                (folder / "config.json").write_text(json.dumps(config))
            finish_saved(folder)
        seen = zip(families, seen_by(sys.executable, folders), seen_by(python, folders), strict=True)
        failures = 0
        for family, expected, found in seen:
            failures += not is_same(expected, found)
            print(family, "same" if is_same(expected, found) else f"DIFFERS: {expected} {found}", flush=True)
    return failures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
