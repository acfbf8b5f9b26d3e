"""Long rows: every token of a split row is learnt once, pieces keep their head, and what is left out is named."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.data.prepare import PreparedData, prepare_data
from cockpit.engine.data.token_rows import IGNORED
from cockpit.engine.errors import RunFailure
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny

LONG = " ".join(f"red {number}" for number in range(200))


def prepared(tmp_path: Path, rows: list[dict[str, Any]], tokenizer: Any = None, **changes: Any) -> PreparedData:
    path = tiny.write_rows(tmp_path / "rows.jsonl", rows)
    text = tiny.recipe_text(Path("model"), path, backend="transformers", **{"data__eval_rows": 0, **changes})
    said: list[str] = changes.pop("said", [])
    recipe = RecipeDocument.parse(text, "test").recipe()
    return prepare_data(recipe, tokenizer or tiny.make_tokenizer(), said.append, lambda done, total: None)


def learnt(data: PreparedData) -> list[int]:
    """What is predicted in all rows, one after the other."""
    return [label for row in data.train["labels"] for label in row[1:] if label != IGNORED]


@pytest.mark.parametrize("bos", [None, "<s>"])
@pytest.mark.parametrize("overlap", [None, 0, 1, 30])
def test_each_token_of_a_long_text_is_learnt_once(tmp_path: Path, bos: str | None, overlap: int | None) -> None:
    tokenizer = tiny.make_tokenizer(bos=bos)
    data = prepared(tmp_path, [{"text": LONG}], tokenizer, data__overlap=overlap)
    whole = tokenizer(LONG, add_special_tokens=False)["input_ids"]
    head = [tokenizer.bos_token_id] if bos else []
    assert learnt(data) == [*head, *whole, tokenizer.eos_token_id][1:]
    rows = data.train["input_ids"][:]
    assert max(map(len, rows)) == 128
    assert all(row[: len(head)] == head for row in rows)
    read = max(1, 16 if overlap is None else overlap)
    for before, row in pairwise(rows):
        assert row[len(head) : len(head) + read] == before[-read:]
    assert (data.counts.split_rows, data.counts.truncated_rows, data.counts.train_rows) == (1, 0, len(rows))
    assert data.counts.trained_tokens == len(learnt(data))
    assert data.counts.long_rows == "auto"


def test_conversations_are_cut_where_nothing_else_is_said(tmp_path: Path) -> None:
    data = prepared(tmp_path, [{"messages": tiny.pair("what is one", LONG)}])
    assert (data.counts.train_rows, data.counts.truncated_rows, data.counts.split_rows) == (1, 1, 0)


def test_the_pieces_of_a_long_answer_keep_their_question(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "two"}, *tiny.pair("what is one", LONG)]
    data = prepared(tmp_path, [{"messages": turns}], data__long_rows="split")
    tokenizer = tiny.make_tokenizer()
    assert tokenizer.decode(learnt(data)) == f"{LONG}<|im_end|>"
    head = "<|im_start|>system\ntwo<|im_end|>\n<|im_start|>user\nwhat is one<|im_end|>\n<|im_start|>assistant\n"
    assert all(tokenizer.decode(row).startswith(head) for row in data.train["input_ids"])
    assert len(data.train) > 5


def test_long_conversations_are_split_between_exchanges_and_keep_the_systems_turn(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "two"}]
    answers = [f"arr matey {number} " * 6 for number in range(8)]
    for number, answer in enumerate(answers):
        turns += tiny.pair(f"what is {number}", answer)
    data = prepared(tmp_path, [{"messages": turns}, {"messages": turns[:3]}], data__long_rows="split")
    tokenizer = tiny.make_tokenizer()
    texts = [tokenizer.decode(row) for row in data.train["input_ids"]]
    assert tokenizer.decode(learnt(data)) == "".join(f"{one}<|im_end|>" for one in [*answers, answers[0]])
    assert all(text.startswith("<|im_start|>system\ntwo<|im_end|>\n<|im_start|>user\n") for text in texts)
    assert (data.counts.split_rows, data.counts.truncated_rows) == (1, 0)
    assert texts[0].count("<|im_start|>user") > 1, "as many exchanges as fit"
    assert all(len(row) <= 128 for row in data.train["input_ids"])


def test_answers_that_are_not_to_be_learnt_are_not_learnt_in_pieces_either(tmp_path: Path) -> None:
    turns = []
    for number in range(8):
        turns += tiny.pair(f"what is {number}", f"arr matey {number} " * 6)
    turns[3]["weight"] = 0  # type: ignore[assignment]
    data = prepared(tmp_path, [{"messages": turns}], data__long_rows="split")
    text = tiny.make_tokenizer().decode(learnt(data))
    assert [number for number in range(8) if f"matey {number} " in text] == [0, 2, 3, 4, 5, 6, 7]


def test_a_head_that_leaves_no_room_is_cut_or_refused(tmp_path: Path) -> None:
    rows = [{"messages": tiny.pair("z" * 90, LONG)}, {"messages": tiny.pair("z" * 150, "arr")}]
    data = prepared(tmp_path, [*rows, {"messages": tiny.pair("a", "b")}], data__long_rows="split")
    assert (data.counts.truncated_rows, data.counts.skipped_rows, data.counts.train_rows) == (1, 1, 2)


def test_dropped_rows_are_named_and_end_no_run(tmp_path: Path) -> None:
    said: list[str] = []
    rows = [{"text": "red cat"}, {"text": LONG}]
    path = tiny.write_rows(tmp_path / "rows.jsonl", rows)
    changes = {"data__eval_rows": 0, "data__long_rows": "drop", "data__on_bad_row": "fail"}
    recipe = RecipeDocument.parse(tiny.recipe_text(Path("m"), path, backend="transformers", **changes), "x").recipe()
    data = prepare_data(recipe, tiny.make_tokenizer(), said.append, lambda done, total: None)
    assert (data.counts.train_rows, data.counts.skipped_rows, data.counts.long_rows) == (1, 1, "drop")
    assert any("rows.jsonl:2: its " in one and "data.long_rows is drop" in one for one in said)


def test_texts_are_cut_where_that_is_asked_for(tmp_path: Path) -> None:
    data = prepared(tmp_path, [{"text": LONG}], data__long_rows="truncate")
    assert (len(data.train), len(data.train[0]["input_ids"]), data.counts.truncated_rows) == (1, 128, 1)


def test_the_pieces_of_a_row_are_all_trained_on_or_all_held_out(tmp_path: Path) -> None:
    rows = [{"text": f"row{number} " * 200} for number in range(10)]
    data = prepared(tmp_path, rows, data__eval_rows=2)
    tokenizer = tiny.make_tokenizer()
    trained, held_out = (
        {word for row in part["input_ids"] for word in tokenizer.decode(row).split() if word.startswith("row")}
        for part in (data.train, data.held_out)
    )
    both = {word for word in trained & held_out if word[3:].isdigit()}
    assert both == set()
    assert len(data.held_out) > 2


def test_packed_pieces_fill_sequences(tmp_path: Path) -> None:
    data = prepared(tmp_path, [{"text": LONG}, {"text": "red cat"}], training__packing=True)
    assert data.packed
    assert max(len(row) for row in data.train["input_ids"]) <= 128


def test_nothing_left_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match=r"No row of the data can be learnt from\. The first one: rows\.jsonl:1: its "):
        prepared(tmp_path, [{"text": LONG}], data__long_rows="drop")
