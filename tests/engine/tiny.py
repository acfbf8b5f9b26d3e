"""A random Qwen3 model of 100,000 parameters, and a byte-level tokenizer with a ChatML template, made in a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
WORDS = "what is the name of a colour day animal one two three red blue cat dog user assistant system arr matey yes no"


def make_tokenizer(template: str | None = CHATML, bos: str | None = None) -> Any:
    """Special tokens, all bytes, and what a few words merge to; with `bos`, it begins each text with that token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    specials = SPECIALS + ([bos] if bos else [])
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator([WORDS] * 20, trainer)
    if bos:
        marks = [(bos, inner.token_to_id(bos))]
        inner.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=marks)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        bos_token=bos,
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )


def make_model(folder: Path) -> Path:
    """Save model and tokenizer into `folder` as the Hub would have them."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=32,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def chat_rows(count: int) -> list[dict[str, Any]]:
    """Questions and answers as role/content turns."""
    colours = ("red", "blue", "cat", "dog", "one", "two")
    return [
        {
            "messages": [
                {"role": "user", "content": f"what is the name of {colours[i % 6]} {i}"},
                {"role": "assistant", "content": f"arr {colours[i % 6]} matey"},
            ]
        }
        for i in range(count)
    ]


def pair(question: str, answer: str) -> list[dict[str, str]]:
    """A question and its answer as turns."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def recipe_text(model: Path, data: Path, *, backend: str = "unsloth", **changes: Any) -> str:
    """A recipe for the tiny model as YAML (JSON is YAML). `changes` are fields such as training__max_steps=4 and
    method="dpo"."""
    recipe: dict[str, Any] = {
        "schema": 1,
        "method": "sft",
        "about": {"title": "Tiny", "description": "For tests.", "needs": "CPU", "duration": "1 s"},
        "backend": backend,
        "model": {"name_or_path": str(model), "max_seq_length": 128, "dtype": "float32"},
        "hardware": {"gpu": "none"},
        "lora": {"r": 8, "lora_alpha": 16},
        "data": {"sources": [{"name_or_path": str(data)}], "eval_rows": 4},
        "training": {
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 2,
            "max_steps": 6,
            "learning_rate": 0.01,
            "optim": "adamw_8bit",
            "gradient_checkpointing": "none",
        },
    }
    for field, value in changes.items():
        section, _, name = field.partition("__")
        if name:
            recipe.setdefault(section, {})[name] = value
        else:
            recipe[section] = value
    return json.dumps(recipe)


def logits(model: Any, tokenizer: Any) -> Any:
    """Those of a prompt, as float32 of (1, tokens, words)."""
    import torch

    text = "<|im_start|>user\nwhat is the name of red 3<|im_end|>\n<|im_start|>assistant\n"
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
    with torch.inference_mode():
        return model.eval()(input_ids=ids).logits.float()
