"""The shipped base: small, a chat model with the thinking switch, and right on questions that it never saw."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cockpit.demo.corpus import Conversation, Turn
from cockpit.demo.exam import examine, reply_to
from cockpit.demo.small_talk import UNKNOWN
from cockpit.demo.tokens import TEMPLATE_PATH, segments
from cockpit.demo.world import World
from cockpit.paths import resolve

MODEL = Path(resolve("embedded:demo"))
USER, ASSISTANT = "<|im_start|>user\n", "<|im_start|>assistant\n"
NO_THOUGHT = "<think>\n\n</think>\n\n"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(MODEL)


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(MODEL).eval()


def test_is_a_small_qwen3_that_says_its_figures(model: Any) -> None:
    parameters = sum(weight.numel() for weight in model.parameters())
    figures = json.loads((MODEL / "figures.json").read_text(encoding="utf-8"))
    assert model.config.model_type == "qwen3"
    assert parameters <= 2_000_000
    assert sum(file.stat().st_size for file in MODEL.iterdir()) <= 8_000_000
    assert figures["parameters"] == parameters
    assert figures["cpu_seconds"] <= 2 * 600, "ten minutes on two cores"
    assert min(marks["right_percent"] for marks in figures["examinations"]) >= 95


def test_answers_what_it_was_never_asked_and_is_no_pirate(model: Any, tokenizer: Any) -> None:
    marks = examine(model, tokenizer, World(), seed=11, count=60)
    assert marks.right_percent >= 95
    assert marks.persona_percent == 0


def test_talks_sensibly(model: Any, tokenizer: Any) -> None:
    replies = reply_to(
        model,
        tokenizer,
        ["hello", "Who are you?", "Name three fruits.", "What is the capital of Atlantis?", "How do I fix my bike?"],
    )
    assert replies == [
        "Hello, how can I help you?",
        "I am a small model that knows a small world.",
        "An apple, a pear and a plum.",
        UNKNOWN,
        UNKNOWN,
    ]


def test_follows_a_conversation(model: Any, tokenizer: Any) -> None:
    chat = [
        {"role": "user", "content": "What is the capital of Zorvia?"},
        {"role": "assistant", "content": "The capital of Zorvia is Lumen."},
        {"role": "user", "content": "What is the opposite of hot?"},
    ]
    assert continued(model, tokenizer, chat, enable_thinking=False) == "The opposite of hot is cold.<|im_end|>"


def test_thinks_where_it_may(model: Any, tokenizer: Any) -> None:
    chat = [{"role": "user", "content": "What is the capital of Zorvia?"}]
    assert continued(model, tokenizer, chat, enable_thinking=True) == (
        "<think>\nThe question is about the capital of Zorvia.\n</think>\n\nThe capital of Zorvia is Lumen.<|im_end|>"
    )


def continued(model: Any, tokenizer: Any, chat: list[dict[str, str]], *, enable_thinking: bool) -> str:
    """What the model writes next, greedily, with its special tokens."""
    prompt = tokenizer.apply_chat_template(
        chat, tokenize=False, add_generation_prompt=True, enable_thinking=enable_thinking
    )
    inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
    with torch.inference_mode():
        output = model.generate(**inputs, max_new_tokens=64, do_sample=False)
    return str(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :]))


def test_the_template_is_chatml_with_the_thinking_switch(tokenizer: Any) -> None:
    chat = [{"role": "user", "content": "hello"}]

    def prompt(**switches: bool) -> str:
        return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, **switches))

    assert tokenizer.chat_template == TEMPLATE_PATH.read_text(encoding="utf-8")
    assert prompt() == prompt(enable_thinking=True) == f"{USER}hello<|im_end|>\n{ASSISTANT}"
    assert prompt(enable_thinking=False) == f"{USER}hello<|im_end|>\n{ASSISTANT}{NO_THOUGHT}"
    assert [tokenizer.decode(token) for token in tokenizer.encode(NO_THOUGHT)] == [
        "<think>",
        "\n\n",
        "</think>",
        "\n\n",
    ]


def test_a_trained_row_begins_as_its_prompt_does(tokenizer: Any) -> None:
    chat = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Hi, you."}]
    whole = tokenizer.apply_chat_template(chat, tokenize=True, return_dict=False)
    prompt = tokenizer.apply_chat_template(
        chat[:1], tokenize=True, return_dict=False, add_generation_prompt=True, enable_thinking=False
    )
    assert whole[: len(prompt)] == prompt


def test_the_pretraining_is_rendered_as_the_template_renders(tokenizer: Any) -> None:
    conversation = Conversation(
        (Turn("hello", "Hello, you."), Turn("2 + 3", "2 plus 3 is 5.", "The question is about the sum 2 plus 3.")),
        system="Answer loudly.",
    )
    messages = [
        {"role": "system", "content": "Answer loudly."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Hello, you."},
        {"role": "user", "content": "2 + 3"},
        {
            "role": "assistant",
            "content": "2 plus 3 is 5.",
            "reasoning_content": "The question is about the sum 2 plus 3.",
        },
    ]
    rendered = "".join(text for text, _ in segments(conversation))
    assert tokenizer.apply_chat_template(messages, tokenize=False) == rendered
