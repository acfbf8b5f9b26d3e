"""Reasoning and answer are told apart as the template marks them, however the text comes."""

from __future__ import annotations

import pytest

from cockpit.engine.chat.thinking import USUAL_MARKS, ThinkingMarks, ThinkingSplit
from cockpit.engine.compat.unsloth_templates import named_templates
from cockpit.engine.data.chat_template import ChatTemplate
from tests.engine import tiny

HARMONY = ["<|start|>", "<|message|>", "<|end|>", "<|return|>", "<|channel|>"]
GPT_OSS = ThinkingMarks(
    "<|channel|>analysis<|message|>",
    "<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|channel|>final<|message|>",
)
QWEN3 = (
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content and loop.last %}<think>\n"
    "{{ m.reasoning_content }}\n</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def told(marks: ThinkingMarks, text: str, size: int, prompt: str = "") -> tuple[str, str]:
    split = ThinkingSplit(marks, [*HARMONY, "<|im_end|>"], prompt)
    pieces = [split.feed(text[at : at + size]) for at in range(0, len(text), size)] + [split.end()]
    return "".join(thought for thought, _ in pieces), "".join(answer for _, answer in pieces)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("marks", "prompt", "text", "expected"),
    [
        (USUAL_MARKS, "", "<think>\nIt is\n\n5.\n</think>\n\nFive.", ("It is\n\n5.", "Five.")),
        (USUAL_MARKS, "assistant\n<think>\n", "It is 5.</think>Five.", ("It is 5.", "Five.")),
        (USUAL_MARKS, "", "<think>\n\n</think>\n\nFive.", ("", "Five.")),
        (USUAL_MARKS, "", "<think>It is", ("It is", "")),
        (USUAL_MARKS, "", "Five, < 6.", ("", "Five, < 6.")),
        (USUAL_MARKS, "", "Five.<|im_end|>", ("", "Five.")),
        (USUAL_MARKS, "", "<think>It<|im_end|> is</think>Fi<|im_end|>ve, <|im_", ("It is", "Five, <|im_")),
        (USUAL_MARKS, "", " <th", ("", " <th")),
        (GPT_OSS, "", f"{GPT_OSS.opens}I count.{GPT_OSS.closes}After it comes 1", ("I count.", "After it comes 1")),
        (GPT_OSS, "", f"{GPT_OSS.answers}After it comes 1", ("", "After it comes 1")),
    ],
)
def test_reasoning_and_answer(
    marks: ThinkingMarks, prompt: str, text: str, expected: tuple[str, str], size: int
) -> None:
    thought, answer = told(marks, text, size, prompt)
    assert (thought, answer.strip()) == (expected[0], expected[1].strip())


def test_a_reply_of_blanks_is_not_waited_for() -> None:
    split = ThinkingSplit(USUAL_MARKS, [], "")
    assert split.feed("\n" * 8) == ("", "")
    assert split.feed("\n") == ("", "\n" * 9)
    assert split.feed("\n") == ("", "\n")


def test_the_marks_are_the_templates() -> None:
    tokenizer = tiny.make_tokenizer(named_templates()["gpt-oss"].text)
    assert ThinkingMarks.of(ChatTemplate(tokenizer)) == GPT_OSS
    assert ThinkingMarks.of(ChatTemplate(tiny.make_tokenizer(QWEN3))) == USUAL_MARKS
    assert ThinkingMarks.of(ChatTemplate(tiny.make_tokenizer())) == USUAL_MARKS
