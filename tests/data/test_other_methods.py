"""Rows for other methods than sft: recognised in all their shapes, explained, and never trained by half."""

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.data.files import recognise
from cockpit.recipe.data import Columns

U, A, B = ({"role": role, "content": words} for role, words in (("user", "q"), ("assistant", "a"), ("assistant", "b")))
SHARED = {"from": "gpt", "value": "a"}


def written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


PAIRS: list[tuple[dict[str, Any], str, str]] = [
    ({"prompt": "q", "chosen": "a", "rejected": "b"}, "chosen, rejected", "columns.completion: chosen"),
    ({"chosen": "Human: q Assistant: a", "rejected": "Human: q Assistant: b"}, "chosen, rejected",
     "columns.text: chosen"),
    ({"prompt": "q", "chosen": [U, A], "rejected": [U, B]}, "chosen, rejected", "columns.messages: chosen"),
    ({"prompt": [U], "chosen": [A], "rejected": [B], "id": 1}, "chosen, rejected",
     "columns.prompt: prompt and columns.completion: chosen"),
    ({"conversations": [{"from": "human", "value": "q"}], "chosen": SHARED, "rejected": SHARED}, "chosen, rejected",
     "columns.prompt: conversations and columns.completion: chosen"),
    ({"messages": [U, A], "chosen": [U, A], "rejected": [U, B]}, "chosen, rejected", "columns.messages: chosen"),
    ({"chosen_messages": [U, A], "rejected_messages": [U, B]}, "chosen_messages, rejected_messages",
     "columns.messages: chosen_messages"),
    ({"Question": "q", "Chosen Response": "a", "Rejected Response": "b"}, "Chosen Response, Rejected Response",
     "columns.completion: Chosen Response"),
    ({"prompt": "q", "response_chosen": "a", "response_rejected": "b"}, "response_chosen, response_rejected",
     "columns.completion: response_chosen"),
    ({"input": [U], "preferred_output": [A], "non_preferred_output": [B]}, "preferred_output, non_preferred_output",
     "columns.completion: preferred_output"),
]  # fmt: skip
SEVERAL: list[tuple[dict[str, Any], str]] = [
    ({"question": "q", "response_j": "a", "response_k": "b"}, "response_j, response_k"),
    ({"prompt": "q", "response_0": "a", "response_1": "b", "better_response_id": 0}, "response_0, response_1"),
    ({"prompt": "q", "response_a": "a", "response_b": "b", "winner": "model_a"}, "response_a, response_b"),
    ({"conversation_a": [U, A], "conversation_b": [U, B], "winner": "tie"}, "conversation_a, conversation_b"),
    ({"prompt": "q", "answer1": "a", "answer2": "b"}, "answer1, answer2"),
]
RANKED: list[tuple[dict[str, Any], str]] = [
    ({"instruction": "q", "input": "", "output": ["a", "b"]}, "output"),
    ({"prompt": "q", "responses": ["a", "b", "c"], "scores": [3, 2, 1]}, "responses"),
    ({"instruction": "q", "completions": [{"response": words, "overall_score": 9} for words in "ab"]}, "completions"),
]  # fmt: skip
LABELLED: list[tuple[dict[str, Any], str]] = [
    ({"prompt": "q", "completion": "a", "label": True}, "label"),
    ({"prompt": "q", "completion": "a", "label": False}, "label"),
    ({"prompt": [U], "completion": [A], "label": 0}, "label"),
    ({"messages": [U, A], "label": False}, "label"),
    ({"conversations": [{"from": "human", "value": "q"}, SHARED], "kto_tag": True}, "kto_tag"),
    ({"instruction": "q", "output": "a", "Label": "False"}, "Label"),
]


def refusal(folder: Path, row: dict[str, Any]) -> str:
    with pytest.raises(ValueError) as refused:
        recognise(written(folder, [row] * 3), Columns(), "auto")
    return str(refused.value)


@pytest.mark.parametrize(("row", "columns", "instead"), PAIRS)
def test_preference_pairs(row: dict[str, Any], columns: str, instead: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, row)
    head = f"a.jsonl holds preference pairs ({columns}), which DPO, ORPO, CPO, SimPO and reward models learn from"
    assert said.startswith(f"{head} and sft does not; to train on one of them")
    assert said.endswith(instead)


@pytest.mark.parametrize(("row", "columns"), SEVERAL)
def test_several_answers_to_a_prompt(row: dict[str, Any], columns: str, tmp_path: Path) -> None:
    head = f"a.jsonl holds several answers to a prompt ({columns}), which DPO, ORPO and reward models learn from"
    assert refusal(tmp_path, row).startswith(head)


@pytest.mark.parametrize(("row", "column"), RANKED)
def test_ranked_answers(row: dict[str, Any], column: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, row).startswith(f"a.jsonl holds ranked answers ({column}), which reward models and")


@pytest.mark.parametrize(("row", "column"), LABELLED)
def test_answers_marked_as_desired_or_not(row: dict[str, Any], column: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, row) == (
        f"a.jsonl holds answers marked as desired or not ({column}), which KTO and BCO learn from and sft does not; "
        f"for sft keep the rows with the desired answers alone, without the column {column}"
    )


def test_steps_and_prompts_alone(tmp_path: Path) -> None:
    steps = {"prompt": "q", "completions": ["a", "b"], "labels": [True, False]}
    assert "steps with a label each (completions, labels), which process reward models" in refusal(tmp_path, steps)
    assert "prompts without answers (prompt), which GRPO, RLOO and PPO" in refusal(tmp_path, {"prompt": [U]})


def test_the_column_that_is_named_is_trained_all_the_same(tmp_path: Path) -> None:
    """As the sentence advises."""
    path = written(tmp_path, [{"prompt": "q", "chosen": "a", "rejected": "b"}] * 3)
    form = recognise(path, Columns(prompt="prompt", completion="chosen"), "auto")
    assert (form.form, form.columns) == ("prompt_completion", {"prompt": "prompt", "completion": "chosen"})
    path = written(tmp_path, [{"prompt": "q", "chosen": [U, A], "rejected": [U, B]}] * 4)
    assert recognise(path, Columns(messages="chosen"), "auto").form == "messages"


@pytest.mark.parametrize(
    "row",
    [
        {"text": "a", "label": 1},
        {"messages": [U, A], "chosen": None, "rejected": None},
        {"prompt": "q", "completion": "a", "label": 7},
        {"prompt": "q", "completion": "a", "dinner_winner": "x", "dinner_loser": 3},
        {"messages": [U, A], "response_a": "b"},
    ],
)
def test_what_only_looks_like_it_is_trained(row: dict[str, Any], tmp_path: Path) -> None:
    assert recognise(written(tmp_path, [row] * 3), Columns(), "auto").rows == 3
