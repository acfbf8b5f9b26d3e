"""Reasoning that a template leaves out of earlier answers: told, and kept in every turn where that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.conversation import Conversation
from cockpit.engine.data.encoder import EncodedRow, Encoder
from cockpit.engine.data.token_rows import IGNORED
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny
from tests.engine.masks.templates import all_templates, tokenizer_for

Message = dict[str, Any]


def answer(words: str, thought: str) -> Message:
    return {"role": "assistant", "content": words, "reasoning_content": thought, "thinking": thought}


def tagged(words: str, thought: str) -> Message:
    return {"role": "assistant", "content": f"<think>\n{thought}\n</think>\n\n{words}"}


def conversation(said: Any) -> Conversation:
    turns = [said("four", "2 + 2"), said("five", "4 + 1")]
    asked = [{"role": "user", "content": words} for words in ("what is 2 + 2", "and one more")]
    return Conversation([asked[0], turns[0], asked[1], turns[1]])


def encoded(name: str, rows: Conversation, said: list[str], **changes: Any) -> tuple[EncodedRow, str]:
    """The row, and what of it is trained."""
    tokenizer = tokenizer_for(name, all_templates()[name])
    text = tiny.recipe_text(Path("m"), Path("rows"), backend="transformers", **changes)
    (row,) = Encoder(RecipeDocument.parse(text, "test").recipe(), tokenizer, 500, said.append).encode([("row", rows)])
    return row, tokenizer.decode([label for label in row.labels if label != IGNORED])


QWEN = "<think>\n2 + 2\n</think>\n\nfour<|im_end|><think>\n4 + 1\n</think>\n\nfive<|im_end|>"
R1 = "<think>\n2 + 2\n</think>\n\nfour<｜end▁of▁sentence｜><think>\n4 + 1\n</think>\n\nfive<｜end▁of▁sentence｜>"
NEMOTRON = "\n2 + 2\n</think>\nfour<|im_end|>\n4 + 1\n</think>\nfive<|im_end|>"
HARMONY = (
    "<|channel|>analysis<|message|>2 + 2<|end|><|start|>assistant<|channel|>final<|message|>four<|end|>"
    "<|channel|>analysis<|message|>4 + 1<|end|><|start|>assistant<|channel|>final<|message|>five<|return|>"
)


@pytest.mark.parametrize(
    ("name", "said", "left_out", "kept"),
    [
        ("trl/qwen3", answer, [1], QWEN),
        ("trl/qwen3", tagged, [1], QWEN),
        ("trl/deepseek_r1_distill", answer, [1, 3], R1),
        ("trl/deepseek_r1_distill", tagged, [1, 3], R1),
        ("trl/gptoss", answer, [1], HARMONY),
        ("trl/nemotron_3_nano", answer, [1], NEMOTRON),
    ],
)
def test_reasoning_that_is_left_out_is_told_and_can_be_kept(
    name: str, said: Any, left_out: list[int], kept: str
) -> None:
    heard: list[str] = []
    row, trained = encoded(name, conversation(said), heard)
    assert [(one.turn, one.role, one.what) for one in row.left_out] == [
        (turn, "assistant", "reasoning") for turn in left_out
    ]
    assert "2 + 2\n</think>" not in row.text
    assert "four" in trained
    assert heard == ["The chat template leaves out reasoning of answers; data.keep_reasoning: true keeps it."]
    whole, trained = encoded(name, conversation(said), heard, data__keep_reasoning=True)
    assert whole.left_out == []
    assert trained == kept
    assert len(heard) == 1


def test_the_prompt_of_r1_opens_the_reasoning_that_is_kept() -> None:
    """So that what is trained goes on from what the model is asked with."""
    tokenizer = tokenizer_for("trl/deepseek_r1_distill", all_templates()["trl/deepseek_r1_distill"])
    template = ChatTemplate(tokenizer, keep_reasoning=True)
    one = Conversation(conversation(tagged).messages[:2])
    assert template.written(one).text.startswith(template.prompt(one.messages[:1], enable_thinking=True))


def test_reasoning_between_calls_is_kept_with_them() -> None:
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": "2"}}}
    turns = [
        {"role": "user", "content": "what is 2 + 2"},
        {**answer("", "I must add"), "tool_calls": [call]},
        {"role": "tool", "content": "4"},
        {"role": "assistant", "content": "four"},
        {"role": "user", "content": "thanks"},
        {"role": "assistant", "content": "bye"},
    ]
    row, _ = encoded("trl/qwen3", Conversation(turns), [])
    assert [one.turn for one in row.left_out] == [1]
    row, trained = encoded("trl/qwen3", Conversation(turns), [], data__keep_reasoning=True)
    assert trained == (
        '<think>\nI must add\n</think>\n\n<tool_call>\n{"name": "add", "arguments": {"a": "2"}}\n</tool_call><|im_end|>'
        "four<|im_end|><think>\n\n</think>\n\nbye<|im_end|>"
    )


def test_a_template_without_a_place_for_reasoning_is_told() -> None:
    for changes in ({}, {"data__keep_reasoning": True}):
        heard: list[str] = []
        row, trained = encoded("trl/llama3", conversation(answer), heard, **changes)
        assert trained == "four<|eot_id|>five<|eot_id|>"
        assert len(row.left_out) == 2
        assert heard == ["The chat template leaves out reasoning of answers; it has no place for it."]


def test_reasoning_of_calls_that_are_written_in_words_is_told_too() -> None:
    """By a template that knows neither calls nor reasoning."""
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": "2"}}}
    turns = [
        {"role": "user", "content": "what is 2 + 2"},
        {**answer("", "I must add"), "tool_calls": [call]},
        {"role": "tool", "content": "4"},
        {"role": "assistant", "content": "four"},
    ]
    row, trained = encoded("unsloth/chatml", Conversation(turns), [])
    assert trained == '{"name": "add", "arguments": {"a": "2"}}<|im_end|>four<|im_end|>'
    assert [(one.turn, one.what) for one in row.left_out] == [(1, "reasoning")]
