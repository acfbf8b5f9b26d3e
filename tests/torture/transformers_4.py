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
TEXT = "<|im_start|>user\nwhat is the name of red 3<|im_end|>\n"
LOOK = f"""
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1]).eval()
ids = tokenizer({TEXT!r}, return_tensors="pt").input_ids
with torch.inference_mode():
    logits = model(input_ids=ids).logits[0, -1, :8].float().tolist()
print(json.dumps({{"ids": ids[0].tolist(), "eos": tokenizer.eos_token, "logits": logits}}))
"""


def seen_by(python: str, folder: Path) -> dict[str, Any]:
    """What that Python's transformers makes of the folder: tokens, the end of text, and a few logits."""
    done = subprocess.run([python, "-c", LOOK, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether both have loaded, and the logits differ by rounding at most."""
    if "failed" in one or "failed" in other:
        return False
    near = all(abs(a - b) < 1e-4 for a, b in zip(one["logits"], other["logits"], strict=True))
    return near and (one["ids"], one["eos"]) == (other["ids"], other["eos"])


def main(python: str) -> int:
    """Print a line for each family; how many failed."""
    from cockpit.engine.model.saved_files import finish_saved
    from tests.engine import tiny
    from tests.engine.families import make_family

    failures = 0
    with tempfile.TemporaryDirectory() as name:
        for family in FAMILIES:
            folder = Path(name) / family
            made = tiny.make_model(folder) if family == "qwen3" else make_family(family, folder)
            config = json.loads((made / "config.json").read_text())
            if "rope_theta" in config.get("rope_parameters", {}):
                config["rope_parameters"]["rope_theta"] = 500000.0  # no family's default
                (made / "config.json").write_text(json.dumps(config))
            finish_saved(made)
            expected, found = seen_by(sys.executable, made), seen_by(python, made)
            failures += not is_same(expected, found)
            print(family, "same" if is_same(expected, found) else f"DIFFERS: {expected} {found}", flush=True)
    return failures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
