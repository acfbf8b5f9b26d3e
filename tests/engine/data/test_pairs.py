"""Answers that are compared: pairs in all shapes, marked answers, what is learnt of each, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cockpit.engine.data.prepare import PreparedData, prepare_data
from cockpit.engine.data.report import data_report
from cockpit.engine.errors import RunFailure
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from tests.engine import tiny

U, A, B = ({"role": role, "content": words} for role, words in (("user", "q"), ("assistant", "a"), ("assistant", "b")))
SHARED = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}, {"from": "gpt", "value": "b"}]
PROMPT = "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"
SHAPES: list[tuple[dict[str, Any], str]] = [
    ({"prompt": "q", "chosen": "a", "rejected": "b"}, PROMPT),
    ({"question": "q", "response_j": "a", "response_k": "b"}, PROMPT),
    ({"Question": "q", "Chosen Response": "a", "Rejected Response": "b"}, PROMPT),
    ({"prompt": "q", "response_rejected": "b", "response_chosen": "a"}, PROMPT),
    ({"prompt": [U], "chosen": [A], "rejected": [B], "id": 1}, PROMPT),
    ({"prompt": "q", "chosen": [U, A], "rejected": [U, B]}, PROMPT),
    ({"messages": [U, A], "chosen": [U, A], "rejected": [U, B]}, PROMPT),
    ({"prompt": [U], "chosen": A, "rejected": B}, PROMPT),
    ({"input": [U], "preferred_output": [A], "non_preferred_output": [B]}, PROMPT),
    ({"conversations": SHARED[:1], "chosen": SHARED[1], "rejected": SHARED[2]}, PROMPT),
    ({"chosen": [SHARED[0], SHARED[1]], "rejected": [SHARED[0], SHARED[2]]}, PROMPT),
    ({"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"}, PROMPT),
    ({"chosen": "q: (a", "rejected": "q: (b"}, "q: ("),
    ({"prompt": "q", "responses": ["a", "c", "b"]}, PROMPT),
    ({"prompt": "q", "completions": [{"response": w, "overall_score": s} for w, s in (("b", 1), ("a", 9))]}, PROMPT),
    ({"prompt": "q", "answers": [{"text": w, "rank": n} for w, n in (("b", 3), ("a", 1), ("c", 2))]}, PROMPT),
    ({"system": "s", "prompt": "q", "chosen": "a", "rejected": "b"}, f"<|im_start|>system\ns<|im_end|>\n{PROMPT}"),
    ({"prompt": [U, A, U], "chosen": [A], "rejected": [B]}, f"{PROMPT}a<|im_end|>\n{PROMPT}"),
]  # fmt: skip


def recipe(
    folder: Path, rows: list[dict[str, Any]], method: str = "dpo", model: Path | None = None, **changes: Any
) -> Recipe:
    path = tiny.write_rows(folder / "rows.jsonl", rows)
    text = tiny.recipe_text(model or folder, path, method=method, **{"data__eval_rows": 0, **changes})
    return RecipeDocument.parse(text, "tiny.yaml").recipe()


def prepared(asked: Recipe) -> tuple[PreparedData, list[str], Any]:
    """The rows, what was said, and the tokenizer."""
    said: list[str] = []
    tokenizer = tiny.make_tokenizer()
    return prepare_data(asked, tokenizer, said.append, lambda *_: None), said, tokenizer


def parts(tokenizer: Any, ids: Any, labels: Any) -> tuple[str, str]:
    """What is read, and what is learnt."""
    trained = np.asarray(labels) != -100
    return tokenizer.decode(np.asarray(ids)[~trained]), tokenizer.decode(np.asarray(ids)[trained])


@pytest.mark.parametrize(("row", "prompt"), SHAPES, ids=lambda one: json.dumps(one)[:60])
def test_a_pair_in_any_shape_is_two_answers_to_one_prompt(tmp_path: Path, row: dict[str, Any], prompt: str) -> None:
    data, _, tokenizer = prepared(
        recipe(tmp_path, [row] * 3, data__sources=[{"name_or_path": str(tmp_path / "rows.jsonl")}])
    )
    assert (len(data.train), data.counts.train_rows) == (3, 3)
    pair = data.train[0]
    end = "<|im_end|>"
    chosen = parts(tokenizer, pair["chosen_ids"], pair["chosen_labels"])
    rejected = parts(tokenizer, pair["rejected_ids"], pair["rejected_labels"])
    assert (chosen[0].rstrip("\n"), chosen[1]) == (prompt.rstrip("\n"), f"a{end}")
    assert (rejected[0].rstrip("\n"), rejected[1]) == (prompt.rstrip("\n"), f"b{end}")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"prompt": "q", "answer_0": "a", "answer_1": "b"}],
         "rows.jsonl has several answers in each row (answer_0, answer_1), and nothing says which is the better one; "
         "name it in columns.chosen, and the other in columns.rejected."),
        ([{"messages": [U, A]}],
         "rows.jsonl has the columns messages, and dpo learns from a better and a worse answer in each row, such as "
         "chosen and rejected or a list of answers in each row, the best first; name other columns in columns.chosen "
         "and columns.rejected."),
        ([{"prompt": "q", "chosen": "a", "rejected": "a"}], "its chosen and its rejected answer are equal"),
        ([{"prompt": "q", "chosen": "a", "rejected": ""}, {"prompt": "q", "chosen": "", "rejected": "b"}],
         "rejected is missing or empty"),
        ([{"chosen": [U, A], "rejected": [{**U, "content": "other"}, B]}],
         "its two answers are not to the same prompt"),
        ([{"chosen": [U, A], "rejected": [U, A, U, B]}], "one of its answers is the beginning of the other"),
        ([{"prompt": "q", "responses": [{"text": "a", "score": 1}, {"text": "b", "score": 1}]}],
         "all answers of its responses have the same score"),
        ([{"prompt": "q" * 200, "chosen": "a", "rejected": "b"}],
         "no token of an answer stands within its first 128 tokens"),
        ([{"chosen": [A], "rejected": [B]}], "there is no prompt before its answers"),
    ],
    ids=lambda one: str(one)[:50],
)  # fmt: skip
def test_what_is_no_pair_is_said_in_a_sentence(tmp_path: Path, rows: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(RunFailure) as failure:
        prepared(recipe(tmp_path, rows))
    assert says in str(failure.value)


def test_equal_and_swapped_pairs_are_counted_and_shown(tmp_path: Path, model: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": f"q{at}", "chosen": "good", "rejected": "bad", "score_chosen": 9.0, "score_rejected": 1.0}
        for at in range(4)
    ]
    rows[1] |= {"score_chosen": 1.0, "score_rejected": 2.0}
    rows[2] |= {"rejected": "good"}
    rows.append({**rows[3], "chosen": "bad", "rejected": "good"})
    asked = recipe(tmp_path, rows, model=model)
    report = data_report(asked, "tiny", has_gpu=False)
    assert (report.sides, report.rows_taken, report.train_rows, report.left_out_rows) == ("pairs", 4, 4, 1)
    assert (report.equal_pairs, report.swapped_pairs) == (1, 3), "one by its scores, two that contradict each other"
    shown = [(sample.side, bool(sample.refusal), sample.swapped) for sample in report.samples]
    assert shown == [
        ("better", False, False), ("worse", False, False), ("better", False, True), ("worse", False, True),
        ("better", True, False), ("worse", True, False), ("better", False, True), ("worse", False, True),
        ("better", False, True), ("worse", False, True),
    ]  # fmt: skip


def test_a_pair_is_held_out_whole_and_stands_in_a_mixture_whole(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{at}", "chosen": f"a{at}", "rejected": f"b{at}"} for at in range(20)]
    more = [{"prompt": f"p{at}", "chosen": f"c{at}", "rejected": f"d{at}"} for at in range(5)]
    other = tiny.write_rows(tmp_path / "more.jsonl", more)
    sources = [{"name_or_path": str(tmp_path / "rows.jsonl")}, {"name_or_path": str(other)}]
    data, _, tokenizer = prepared(recipe(tmp_path, rows, data__sources=sources, data__eval_rows=5))
    seen = set()
    for dataset in (data.train, data.held_out):
        for at in range(len(dataset)):
            pair = dataset[at]
            sides = [
                parts(tokenizer, pair[f"{side}_ids"], pair[f"{side}_labels"])[1] for side in ("chosen", "rejected")
            ]
            number = [side.strip("abcd").removesuffix("<|im_end|>") for side in sides]
            assert number[0] == number[1] and {sides[0][0], sides[1][0]} in ({"a", "b"}, {"c", "d"})
            seen.add(sides[0])
    assert (len(seen), len(data.train), len(data.held_out)) == (25, 20, 5)
