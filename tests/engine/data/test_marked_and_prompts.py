"""Answers with a mark, and prompts for rewards: their shapes, what a trainer is given of them, and what is refused."""

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

U, A = ({"role": role, "content": words} for role, words in (("user", "q"), ("assistant", "a")))
MARKED: list[dict[str, Any]] = [
    {"prompt": "q", "completion": "a", "label": True},
    {"prompt": [U], "completion": [A], "label": 1},
    {"messages": [U, A], "label": True},
    {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "kto_tag": True},
    {"instruction": "q", "output": "a", "Label": "True"},
    {"question": "q", "answer": "a", "is_desirable": True},
]
PROMPTS: list[dict[str, Any]] = [
    {"prompt": "q", "answer": 4},
    {"question": "q", "answer": 4},
    {"prompt": [U], "answer": 4},
    {"messages": [U, A], "answer": 4},
    {"conversations": [{"from": "human", "value": "q"}], "answer": 4},
]


def recipe(model: Path, folder: Path, rows: list[dict[str, Any]], method: str, **changes: Any) -> Recipe:
    path = tiny.write_rows(folder / "rows.jsonl", rows)
    if method == "grpo":
        changes |= {"grpo__rewards": [{"length": 4}], "grpo__num_generations": 4, "grpo__max_completion_length": 64}
    text = tiny.recipe_text(model, path, method=method, **{"data__eval_rows": 0, **changes})
    return RecipeDocument.parse(text, "tiny.yaml").recipe()


def prepared(asked: Recipe) -> tuple[PreparedData, Any]:
    tokenizer = tiny.make_tokenizer()
    return prepare_data(asked, tokenizer, lambda _: None, lambda *_: None), tokenizer


@pytest.mark.parametrize("row", MARKED, ids=lambda one: json.dumps(one)[:50])
def test_an_answer_with_a_mark_in_any_shape(tmp_path: Path, row: dict[str, Any]) -> None:
    mark = next(name for name in row if name.lower() in ("label", "kto_tag", "is_desirable"))
    other = {**row, mark: "False" if isinstance(row[mark], str) else not row[mark]}
    data, tokenizer = prepared(recipe(tmp_path, tmp_path, [row, other, row], "kto"))
    assert [data.train[at]["label"] for at in range(3)] == [True, False, True]
    ids, trained = np.asarray(data.train[0]["input_ids"]), np.asarray(data.train[0]["labels"]) != -100
    assert tokenizer.decode(ids[trained]) == "a<|im_end|>"
    assert tokenizer.decode(ids[~trained]).startswith("<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.parametrize("row", PROMPTS, ids=lambda one: json.dumps(one)[:50])
def test_a_prompt_in_any_shape_keeps_the_other_columns(tmp_path: Path, row: dict[str, Any]) -> None:
    data, _ = prepared(recipe(tmp_path, tmp_path, [row] * 2, "grpo"))
    assert [data.train[at] for at in range(len(data.train))] == [{"prompt": [U], "answer": 4}] * 2


@pytest.mark.parametrize(
    ("method", "rows", "says"),
    [
        ("kto", [{"prompt": "q", "completion": "a", "label": True}, {"prompt": "q", "completion": "a", "label": None}],
         ""),
        ("kto", [{"prompt": "q", "completion": "a"}],
         "rows.jsonl has the columns prompt, completion, and kto learns from an answer and whether it is desired in "
         "each row, such as completion and label or"),
        ("grpo", [{"text": "words"}],
         "rows.jsonl has the columns text, and grpo learns from a prompt in each row, such as prompt or question; name "
         "other columns in columns.prompt."),
        ("grpo", [{"prompt": "q" * 100}], "its 111 tokens leave no room for a completion of 64 within 128"),
        ("grpo", [{"prompt": 4}], "prompt is neither a text nor a list of turns"),
        ("grpo", [{"prompt": ""}], "prompt is missing or empty"),
        ("grpo", [{"prompt": [A]}], "no turn asks anything"),
    ],
    ids=lambda one: str(one)[:40],
)  # fmt: skip
def test_what_is_neither_is_said_in_a_sentence(
    tmp_path: Path, method: str, rows: list[dict[str, Any]], says: str
) -> None:
    if not says:
        data, _ = prepared(recipe(tmp_path, tmp_path, rows, method))
        assert (len(data.train), data.counts.skipped_rows) == (1, 1), "a row without a mark is left out"
        return
    with pytest.raises(RunFailure) as failure:
        prepared(recipe(tmp_path, tmp_path, rows, method))
    assert says in str(failure.value)


def test_the_report_says_what_share_is_desired_and_has_no_alarm_for_prompts(model: Path, tmp_path: Path) -> None:
    marked = [{"prompt": f"q{at}", "completion": f"a{at}", "label": at % 4 == 0} for at in range(8)]
    report = data_report(recipe(model, tmp_path, marked, "kto"), "tiny", has_gpu=False)
    assert (report.sides, report.better_rows, report.rows_taken) == ("marked", 2, 8)
    asked = [{"prompt": f"q{at}", "answer": at} for at in range(8)]
    report = data_report(recipe(model, tmp_path, asked, "grpo"), "tiny", has_gpu=False)
    assert (report.sides, report.alarms(), report.trains, report.train_rows) == ("prompts", [], True, 8)
