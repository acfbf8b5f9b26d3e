"""Rewards of completions: what each kind gives, and what is said where one fails."""

from typing import Any

import pytest
from transformers import AutoTokenizer

from cockpit.engine.errors import RunFailure
from cockpit.engine.training.rewards import reward_functions
from cockpit.paths import resolve
from cockpit.recipe.methods.grpo import Grpo, Reward, reward_figures, reward_names

KINDS: list[tuple[dict[str, Any], str, dict[str, Any], float]] = [
    ({"regex": r"^\d+$"}, "42", {}, 1.0),
    ({"regex": r"^\d+$"}, "It is 42", {}, 0.0),
    ({"reasoning_tag": "think"}, "<think>two and two</think> 4", {}, 1.0),
    ({"reasoning_tag": "think"}, "<think>two and two</think>  ", {}, 0.0),
    ({"reasoning_tag": "think"}, "4", {}, 0.0),
    ({"reasoning_tag": "think"}, "<think>a</think> b <think>c</think> d", {}, 0.0),
    ({"numeric_answer": "answer"}, "2 plus 2 is 4.", {"answer": "#### 4"}, 1.0),
    ({"numeric_answer": "answer"}, "It is 1,000.0", {"answer": 1000}, 1.0),
    ({"numeric_answer": "answer"}, "4 or 5", {"answer": 4}, 0.0),
    ({"numeric_answer": "answer"}, "no number", {"answer": -4}, 0.0),
    ({"json_schema": {"type": "object", "required": ["a"]}}, '{"a": 1}', {}, 1.0),
    ({"json_schema": {"type": "object", "required": ["a"]}}, '{"b": 1}', {}, 0.0),
    ({"json_schema": {"type": "object"}}, "no JSON", {}, 0.0),
    ({"length": 4}, "x", {"tokens": 3}, 1.0),
    ({"length": 4}, "x", {"tokens": 6}, 0.5),
    ({"length": 4}, "x", {"tokens": 9}, 0.0),
]


def rewarded(reward: dict[str, Any], *texts: str, tokens: int = 1, **columns: Any) -> list[float]:
    (function,) = reward_functions(Grpo(rewards=[Reward(**reward)]))
    prompts = [[{"role": "user", "content": "how much?"}]] * len(texts)
    given: list[float] = function(
        prompts=prompts,
        completions=[[{"role": "assistant", "content": text}] for text in texts],
        completion_ids=[[0] * tokens] * len(texts),
        trainer_state=None,
        **{name: [value] * len(texts) for name, value in columns.items()},
    )
    return given


@pytest.mark.parametrize(("reward", "text", "row", "score"), KINDS, ids=str)
def test_a_reward_of_each_kind(reward: dict[str, Any], text: str, row: dict[str, Any], score: float) -> None:
    assert rewarded(reward, text, **row) == [score]


def test_tags_count_that_are_special_tokens_which_trl_leaves_out() -> None:
    tokenizer = AutoTokenizer.from_pretrained(resolve("embedded:demo"))
    (function,) = reward_functions(Grpo(rewards=[Reward(reasoning_tag="think")]), tokenizer)
    said = ["<think>\nA sum.\n</think>\n\n1 plus 1 is 2.<|im_end|>", "1 plus 1 is 2.<|im_end|>"]
    ids = [tokenizer(text, add_special_tokens=False).input_ids for text in said]
    as_trl_has_it = tokenizer.batch_decode(ids, skip_special_tokens=True)
    assert "<think>" not in as_trl_has_it[0]
    assert function(prompts=["q", "q"], completions=as_trl_has_it, completion_ids=ids) == [1.0, 0.0]
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    (function,) = reward_functions(Grpo(rewards=[Reward(reasoning_tag="think")]), tokenizer)
    assert "<think>" in tokenizer.all_special_tokens
    assert function(prompts=["q", "q"], completions=as_trl_has_it, completion_ids=ids) == [1.0, 0.0]


def test_rewards_that_are_called_alike_have_names_of_their_own() -> None:
    rewards = [Reward(length=4), Reward(regex="a"), Reward(length=9), Reward(function="mine:length")]
    assert reward_names(Grpo(rewards=rewards)) == ["length", "regex", "length_2", "length_3"]


FUNCTIONS = """
def by_length(prompts, completions, answer, **kwargs):
    assert kwargs["trainer_state"] is None
    return [len(one[-1]["content"]) + float(number) for one, number in zip(completions, answer)]

def fails(prompts, completions, **kwargs):
    print("words of its own")
    return [1 / (one[-1]["content"] != "bad") for one in completions]

def too_few(prompts, completions, **kwargs):
    return [1.0]

def no_list(prompts, completions, **kwargs):
    return 1.0

def no_number(prompts, completions, **kwargs):
    return [1.0, "good"]

def not_finite(prompts, completions, **kwargs):
    return [1.0, float("nan")]

def none_of_them(prompts, completions, **kwargs):
    return [None, 2]
"""
GOOD, BAD = (f"prompt 'how much?', completion '{word}'" for word in ("good", "bad"))
WRONG = {
    "fails": f"The reward fails failed: ZeroDivisionError: division by zero ({BAD}).",
    "too_few": f"The reward too_few failed: it gave 1 numbers for 2 completions ({GOOD}).",
    "no_list": f"The reward no_list failed: it gave float for 2 completions ({GOOD}).",
    "no_number": f"The reward no_number failed: it gave 'good', which is no number ({BAD}).",
    "not_finite": f"The reward not_finite failed: it gave nan, which is no number ({BAD}).",
}


@pytest.fixture
def own(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's own beside the recipe."""
    (tmp_path / "own_rewards.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_function_of_ones_own_is_given_what_trl_gives(own: None) -> None:
    assert rewarded({"function": "own_rewards:by_length"}, "abc", "a", answer="2") == [5.0, 3.0]
    assert rewarded({"function": "own_rewards:none_of_them"}, "abc", "a") == [None, 2]


@pytest.mark.parametrize("name", WRONG)
def test_a_function_that_fails_is_told_with_its_sample(own: None, name: str) -> None:
    with pytest.raises(RunFailure) as failure:
        rewarded({"function": f"own_rewards:{name}"}, "good", "bad")
    assert (str(failure.value), failure.value.advice) == (WRONG[name], "Mend it and resume the run.")


@pytest.mark.parametrize(
    ("reward", "row", "says"),
    [
        ({"function": "own_rewards:nothing"}, {}, "The function own_rewards:nothing cannot be imported (Attribute"),
        ({"function": "no_such_rewards:one"}, {}, "The function no_such_rewards:one cannot be imported (Module"),
        ({"numeric_answer": "answer"}, {}, "The reward numeric_answer failed: the row has no column answer with the "
         "right answer (prompt 'how much?', completion '4')."),
        ({"numeric_answer": "answer"}, {"answer": "four"}, "The reward numeric_answer failed: the row's answer has no "
         "number: 'four' (prompt 'how much?', completion '4')."),
    ],
    ids=str,
)  # fmt: skip
def test_a_reward_that_cannot_be_given_is_told(
    own: None, reward: dict[str, Any], row: dict[str, Any], says: str
) -> None:
    with pytest.raises(RunFailure) as failure:
        rewarded(reward, "4", **row)
    assert str(failure.value).startswith(says)


def test_a_long_name_of_a_reward_is_seen_to_be_cut() -> None:
    rewards = [Reward(numeric_answer="answer"), Reward(regex="x")]
    assert [one.label for one in reward_figures(Grpo(rewards=rewards))] == ["  numeric_answer", "  regex"]
