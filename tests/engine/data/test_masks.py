"""What is trained of random conversations, against an oracle; tests/torture/masks.py asks it of all templates."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.engine.masks.conversations import Maker
from tests.engine.masks.judge import Judge
from tests.engine.masks.templates import all_templates, speech_of

ROWS = 40
TEMPLATES = (
    "trl/cohere2",
    "trl/deepseekv3",
    "trl/gemma4_v5",
    "trl/glm4moe_training",
    "trl/gptoss",
    "trl/lfm2_2_5",
    "trl/llama3_1",
    "trl/phi3",
    "trl/qwen3",
    "trl/qwen3_5_think",
    "trl/smolvlm",
    "unsloth/llama",
)
"""Of many kinds: two ends of turn or none, tools merged into answers, reasoning dropped, no head, content in parts."""


@pytest.mark.parametrize("name", TEMPLATES)
def test_just_the_answers_of_random_conversations_are_trained(name: str) -> None:
    judge = Judge(name, all_templates()[name])
    outcomes = Counter(judge.judge(Maker(seed).conversation()).outcome for seed in range(1_000, 1_000 + ROWS))
    assert not outcomes["wrong"]
    assert not outcomes["left out"]
    assert outcomes["exact"] >= ROWS / 2


@pytest.mark.parametrize(
    ("name", "seeds"), [("trl/nemotron_3_super_training", (511, 1033)), ("trl/nemotron_3_ultra", (1969,))]
)
def test_an_answer_whose_reasoning_is_left_out_and_that_has_no_words_is_told_from_its_neighbours(
    name: str, seeds: tuple[int, ...]
) -> None:
    """In a longer conversation the template leaves out reasoning that it writes where no question follows."""
    judge = Judge(name, all_templates()[name])
    for seed in seeds:
        assert judge.judge(Maker(seed).conversation()).outcome == "exact"


@pytest.mark.parametrize("name", ["trl/qwen3", "trl/deepseek_r1_distill", "trl/gptoss"])
def test_reasoning_that_is_kept_is_trained_in_every_turn(name: str) -> None:
    judge = Judge(name, all_templates()[name], keep_reasoning=True)
    rows = [
        one for one in (Maker(seed).conversation() for seed in range(1_000, 1_060)) if one.kinds & {"reasoning", "tags"}
    ]
    outcomes = Counter(judge.judge(row).outcome for row in rows)
    assert outcomes["exact"] >= len(rows) / 2
    assert not outcomes["wrong"]
    assert not outcomes["left out"]


def test_every_template_is_written_down_for_the_oracle() -> None:
    names = list(all_templates())
    assert len(names) > 60
    for name in names:
        speech_of(name)


def test_reasoning_of_an_answer_without_words_stays_left_out_and_is_named() -> None:
    judge = Judge("trl/glm4moe", all_templates()["trl/glm4moe"], keep_reasoning=True)
    for seed in (156, 511):
        assert judge.judge(Maker(seed).conversation()).outcome == "exact"
