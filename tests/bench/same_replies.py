"""Greedy replies of the chat beside plain `model.generate` on what the training template renders, token by token.

usage: python -m tests.bench.same_replies MODEL... [--backend B] [--dtype D] [--tokens N] [--json FILE]
MODEL is a folder, or embedded:demo. Each has a small random adapter, and answers tuned and base, alone and after a turn
of its own, with a system prompt and without, with reasoning on and off where its template knows that; one without a
template is given the question as it stands. "Plain" is what transformers and peft load from the disk, without any
settings of the model's own; nothing of cockpit draws there. A line a model, then a total.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from cockpit.engine.stack import import_stack
from tests.bench.random_adapter import with_random_adapter

QUESTIONS = (
    "What is the capital of France?", "Who are you?", "Name three colours.\nOne a line.", "Write a Python function.",
    "Wie spät ist es?", "What is 2 + 3?",
)  # fmt: skip
SYSTEM = {"role": "system", "content": "Answer in one sentence."}
ANSWERED = [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hello, how can I help?"}]


def conversations() -> list[list[dict[str, str]]]:
    """Each ends with a question."""
    asked = [[{"role": "user", "content": question}] for question in QUESTIONS]
    return [*asked, *([SYSTEM, *talk] for talk in asked[:2]), *([*ANSWERED, *talk] for talk in asked[:2])]


def plain_replies(base: str, adapter: Path | None, texts: list[str], tokens: int, dtype: Any) -> list[list[int]]:
    """Greedy tokens by transformers alone, up to the end of turn."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    ends = model.generation_config.eos_token_id
    ends = [*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id]
    model = PeftModel.from_pretrained(model, str(adapter)) if adapter is not None else model
    model.eval()
    model.generation_config = GenerationConfig()
    settings = GenerationConfig(
        do_sample=False, max_new_tokens=tokens, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id
    )
    found = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=not tokenizer.chat_template, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            drawn = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
        found.append(drawn[0, ids.shape[1] :].tolist())
    return found


def compared(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    """How many replies and tokens there were, and how many tokens are others."""
    import torch

    from cockpit.paths import resolve
    from cockpit.protocol.commands import Chat
    from tests.engine.chat.answering import Recorder, new_run

    dtype = getattr(torch, asked.dtype)
    loaded = with_random_adapter(asked.backend, name, max_seq_length=1024, dtype=asked.dtype, quantization="none")
    folder = Path(tempfile.mkdtemp())
    loaded.model.save_pretrained(folder / "adapter")
    chatter, base = Recorder(loaded, new_run(folder)), str(resolve(name))
    template = chatter.template
    thinks = (False, True) if "enable_thinking" in str(loaded.tokenizer.chat_template) else (False,)
    asked_for = conversations() if template is not None else conversations()[: len(QUESTIONS)]
    talks = [(talk, thinking) for talk in asked_for for thinking in thinks]
    texts = [
        template.render(talk, add_generation_prompt=True, enable_thinking=thinking) if template else talk[-1]["content"]
        for talk, thinking in talks
    ]
    figures = {"model": Path(name).name, "backend": asked.backend, "replies": 0, "tokens": 0, "tokens_that_differ": 0}
    for tuned in (True, False):
        expected = plain_replies(base, folder / "adapter" if tuned else None, texts, asked.tokens, dtype)
        for (talk, thinking), wanted in zip(talks, expected, strict=True):
            chatter.drawn.clear()
            chat = Chat(id="1", messages=talk, adapter=tuned, do_sample=False, enable_thinking=thinking,
                        max_new_tokens=asked.tokens)  # fmt: skip
            reply = chatter.reply(chat, lambda text, thinking, drawn: None, lambda: False)
            assert reply.end != "failed", reply.reason
            (drawn,) = chatter.drawn.values()
            figures["replies"] += 1
            figures["tokens"] += len(wanted)
            same = sum(a == b for a, b in zip(wanted, drawn, strict=False))
            figures["tokens_that_differ"] += max(len(wanted), len(drawn)) - same
    return figures


def main() -> None:
    """Compare, and print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--backend", default="transformers")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import_stack(asked.backend)
    found = []
    for name in asked.models:
        found.append(compared(name, asked))
        print(json.dumps(found[-1]), flush=True)
    total = {name: sum(one[name] for one in found) for name in ("replies", "tokens", "tokens_that_differ")}
    print(json.dumps({"all": total}), flush=True)
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
