"""What is trained on and measured on: files of their own, replayed rows, rows that stand twice."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cockpit.engine.data.duplicates import ALIKE, Signatures, nearly_equal, repeated
from cockpit.engine.data.prepare import PreparedData, prepare_data
from cockpit.engine.errors import RunFailure
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny


def row(text: str) -> dict[str, Any]:
    return {"messages": tiny.pair(f"what is {text}", f"arr {text}")}


def prepared(rows: Path, say: Any = lambda sentence: None, **changes: Any) -> PreparedData:
    text = tiny.recipe_text(Path("model"), rows, backend="transformers", **{"data__eval_rows": 0, **changes})
    recipe = RecipeDocument.parse(text, "test").recipe()
    return prepare_data(recipe, tiny.make_tokenizer(), say, lambda done, total: None)


def texts(part: Any) -> list[str]:
    """What stands after `arr` in each row."""
    decoded = (tiny.make_tokenizer().decode(row) for row in part["input_ids"])
    return [one.partition("arr ")[2].partition("<|im_end|>")[0] for one in decoded]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Ten, three of them twice: a, b, c, d, e, a, f, b, g, c."""
    return tiny.write_rows(tmp_path / "rows.jsonl", [row(letter) for letter in "abcdeafbgc"])


def test_validation_has_a_file_of_its_own(tmp_path: Path, rows: Path) -> None:
    own = tiny.write_rows(tmp_path / "own.jsonl", [row("x"), {"messages": []}, row("y")])
    data = prepared(rows, data__validation={"name_or_path": str(own)})
    assert texts(data.train) == list("abcdeafbgc")
    assert texts(data.held_out) == ["x", "y"]
    counts = data.counts
    assert (counts.train_rows, counts.eval_rows, counts.skipped_rows, counts.shared_rows) == (10, 2, 1, 0)
    assert [(source.name, source.rows) for source in counts.sources] == [(str(rows), 10), (str(own), 3)]
    alone = prepared(rows)
    assert counts.tokens == alone.counts.tokens
    assert counts.sha256 != alone.counts.sha256
    other = prepared(rows, data__validation={"name_or_path": str(own), "max_rows": 1})
    assert texts(other.held_out) == ["x"]


def test_validation_is_a_split_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name, letters in (("train", "abc"), ("test", "xy")):
        rows = [{"frage": f"what is {one}", "antwort": f"arr {one}"} for one in letters]
        tiny.write_rows(folder / f"{name}.jsonl", rows)
    columns = {"prompt": "frage", "completion": "antwort"}
    sources = [{"name_or_path": str(folder), "columns": columns}]
    data = prepared(folder, data__sources=sources, data__validation={"split": "test"})
    assert (texts(data.train), texts(data.held_out)) == (["a", "b", "c"], ["x", "y"])


def test_validation_without_a_row_is_told(tmp_path: Path, rows: Path) -> None:
    own = tiny.write_rows(tmp_path / "own.jsonl", [{"messages": tiny.pair("z" * 200, "x")}])
    with pytest.raises(RunFailure, match=r"No row of the data of data\.validation can be learnt from"):
        prepared(rows, data__validation={"name_or_path": str(own)})


def test_replayed_rows_are_a_share_of_all(tmp_path: Path) -> None:
    new = tiny.write_rows(tmp_path / "new.jsonl", [row(f"new {n}") for n in range(90)])
    old = tiny.write_rows(tmp_path / "old.jsonl", [row(f"old {n}") for n in range(50)])
    said: list[str] = []
    data = prepared(new, said.append, data__replay={"name_or_path": str(old), "share": 0.1})
    found = texts(data.train)
    assert (len(found), sum(one.startswith("old") for one in found)) == (100, 10)
    assert said == ["Of old.jsonl, 10 of 50 rows are drawn."]
    assert [source.rows for source in data.counts.sources] == [90, 10]
    ratio = [{"name_or_path": str(new)}, {"name_or_path": str(old), "ratio": 1 / 9 + 1e-9}]
    assert texts(prepared(new, data__sources=ratio).train) == found, "one mechanism: the same rows in the same order"


def test_equal_rows_are_counted_and_kept(rows: Path) -> None:
    said: list[str] = []
    data = prepared(rows, said.append)
    assert (data.counts.duplicate_rows, data.counts.dropped_rows, len(data.train)) == (3, 0, 10)
    assert said == ["3 rows stand in the data before; data.duplicates: drop leaves them out."]


def test_equal_rows_are_left_out(rows: Path) -> None:
    said: list[str] = []
    data = prepared(rows, said.append, data__duplicates="drop")
    assert texts(data.train) == list("abcdefg")
    assert (data.counts.duplicate_rows, data.counts.dropped_rows, data.counts.train_rows) == (3, 3, 7)
    assert said == ["3 rows are left out, as they stand in the data before."]


def test_rows_held_out_that_are_trained_on_too_are_told(rows: Path) -> None:
    said: list[str] = []
    data = prepared(rows, said.append, data__eval_share=0.5)
    shared = set(texts(data.train)) & set(texts(data.held_out))
    assert shared
    assert data.counts.shared_rows == sum(one in shared for one in texts(data.held_out))
    assert any("rows stand both in what is trained on and in what is measured on" in one for one in said)
    without = prepared(rows, data__eval_share=0.5, data__duplicates="drop")
    assert without.counts.shared_rows == 0
    assert set(texts(without.train)) & set(texts(without.held_out)) == set()
    assert without.counts.eval_rows == 4, "of seven rows"


def test_rows_of_a_validation_file_go_out_of_the_training(tmp_path: Path, rows: Path) -> None:
    own = tiny.write_rows(tmp_path / "own.jsonl", [row("a"), row("x"), row("d"), row("x")])
    validation = {"name_or_path": str(own)}
    kept = prepared(rows, data__validation=validation)
    assert (kept.counts.shared_rows, kept.counts.duplicate_rows, len(kept.train)) == (3, 2, 10)
    said: list[str] = []
    data = prepared(rows, said.append, data__validation=validation, data__duplicates="drop")
    assert (texts(data.train), texts(data.held_out)) == (list("bcefg"), ["a", "x", "d", "x"])
    assert (data.counts.shared_rows, data.counts.duplicate_rows, data.counts.dropped_rows) == (3, 2, 5)
    assert said[-1] == "3 rows are left out of training, as they are among those measured on."
    with pytest.raises(RunFailure, match="No row is left to train on"):
        prepared(rows, data__validation={"name_or_path": str(rows)}, data__duplicates="drop")


def test_nearly_equal_rows_are_left_out(tmp_path: Path) -> None:
    rng = random.Random(0)
    long = [" ".join(rng.choices([f"w{n}" for n in range(500)], k=60)) for _ in range(6)]
    near = long[0].rsplit(" ", 1)[0] + " end"
    case = long[1].upper()
    half = " ".join([*long[2].split()[:30], *long[3].split()[:30]])
    rows = [{"messages": tiny.pair("q", one)} for one in [*long, near, case, half]]
    path = tiny.write_rows(tmp_path / "rows.jsonl", rows)
    equal = prepared(path, data__duplicates="drop")
    assert equal.counts.duplicate_rows == 0
    said: list[str] = []
    data = prepared(path, said.append, data__duplicates="drop_near")
    assert (data.counts.duplicate_rows, data.counts.train_rows) == (2, 7)
    assert said[-1] == "2 rows are left out, as they, or nearly equal ones, stand in the data before."
    own = tiny.write_rows(tmp_path / "own.jsonl", [{"messages": tiny.pair("q", near)}])
    shared = prepared(path, data__duplicates="drop_near", data__validation={"name_or_path": str(own)})
    assert (shared.counts.shared_rows, shared.counts.duplicate_rows, shared.counts.train_rows) == (2, 1, 6)


def test_signatures_find_what_a_comparison_of_all_rows_finds() -> None:
    rng = random.Random(1)
    words = [f"w{n}" for n in range(300)]
    rows = [rng.choices(words, k=80) for _ in range(60)]
    for at in range(0, 60, 3):
        changed = list(rows[at])
        for _ in range(rng.choice((1, 2, 3, 20))):
            changed[rng.randrange(80)] = "new"
        rows.append(changed)
    triples = [{tuple(one[at : at + 3]) for at in range(len(one) - 2)} for one in rows]
    make = Signatures()
    signatures = np.frombuffer(b"".join(make(" ".join(one)) for one in rows), "<u4").reshape(len(rows), -1)
    first = nearly_equal(signatures)
    for at in range(len(rows)):
        alike = [len(triples[at] & triples[one]) / len(triples[at] | triples[one]) for one in range(at)]
        if max(alike, default=0) > ALIKE + 0.12:
            assert first[at] != at
        elif max(alike, default=0) < ALIKE - 0.15:
            assert first[at] == at


def test_repeated() -> None:
    assert repeated(np.array([3, 1, 3, 2, 1, 3], np.uint64)).tolist() == [False, False, True, False, True, True]
    assert nearly_equal(np.zeros((3, 64), np.uint32)).tolist() == [0, 0, 0]
    assert nearly_equal(np.zeros((0, 64), np.uint32)).tolist() == []


def test_scripts_without_blanks_and_short_texts_have_signatures_too() -> None:
    make = Signatures()

    def share(one: str, other: str) -> float:
        return float((np.frombuffer(make(one), "<u4") == np.frombuffer(make(other), "<u4")).mean())

    text = "今日は天気がとても良いので散歩に行きましょう。明日も晴れるでしょうか。" * 2
    assert share(text, text.replace("明日", "昨日")) > 0.6
    assert share(text, "これは全く別の文章であり、何も共通していません。") < 0.1
    assert share("yes", "yes") == 1
    assert share("yes", "no") == 0
