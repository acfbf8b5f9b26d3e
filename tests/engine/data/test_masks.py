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


def test_every_template_is_written_down_for_the_oracle() -> None:
    names = list(all_templates())
    assert len(names) > 60
    for name in names:
        speech_of(name)
