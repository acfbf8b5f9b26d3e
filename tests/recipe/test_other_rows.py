"""Rows beside those of the sources: replay is a ratio seen from the other side, validation a split of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cockpit.recipe.data import Data, Source
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.schedule import held_out_count
from tests.engine import tiny


def data(**fields: Any) -> Data:
    sources = fields.pop("sources", [{"name_or_path": "mine.jsonl"}])
    text = tiny.recipe_text(Path("model"), Path("x"), data__sources=sources, data__eval_rows=0, **{
        f"data__{name}": value for name, value in fields.items()
    })  # fmt: skip
    return RecipeDocument.parse(text, "test").recipe().data


def problems(**fields: Any) -> str:
    text = tiny.recipe_text(Path("model"), Path("x"), **{f"data__{name}": value for name, value in fields.items()})
    return "\n".join(map(str, RecipeDocument.parse(text, "test").problems()))


@pytest.mark.parametrize(("share", "others"), [(0.1, 900), (0.5, 777), (0.05, 1_900), (0.25, 3)])
def test_a_share_is_a_ratio_seen_from_the_other_side(share: float, others: int) -> None:
    mixed = data(replay={"name_or_path": "old.jsonl", "share": share, "max_rows": 50}).mixed()
    assert [source.name_or_path for source in mixed.sources] == ["mine.jsonl", "old.jsonl"]
    assert (mixed.replay, mixed.sources[1].max_rows) == (None, 50)
    ratio = mixed.sources[1].ratio
    assert ratio is not None
    assert int(others * ratio) == round(others * share / (1 - share))


def test_a_share_is_of_all_rows_those_drawn_by_ratio_among_them() -> None:
    sources = [{"name_or_path": "a.jsonl"}, {"name_or_path": "b.jsonl", "ratio": 0.5}]
    mixed = data(sources=sources, replay={"name_or_path": "old.jsonl", "share": 0.25}).mixed()
    rows = [1000 * (source.ratio or 1.0) for source in mixed.sources]
    assert rows[2] / sum(rows) == pytest.approx(0.25)


def test_without_other_rows_the_sources_are_what_they_are() -> None:
    plain = data()
    assert (plain.mixed(), plain.validating(), plain.holds_out) == (plain, None, False)
    assert [field for field, _ in plain.every_source()] == ["data.sources.0"]


def test_validation_is_a_file_or_a_split_of_the_first_source() -> None:
    first = {"name_or_path": "owner/set", "split": "cot", "format": "alpaca", "columns": {"prompt": "q"}}
    sources = [{**first, "ratio": 1}, {"name_or_path": "b.jsonl"}]
    split = data(sources=sources, validation={"split": "test", "max_rows": 9}).validating()
    assert split is not None
    assert split.sources == [Source.model_validate({**first, "split": "test", "max_rows": 9})]
    file = data(sources=sources, validation={"name_or_path": "held.jsonl"})
    found = file.validating()
    assert found is not None
    assert found.sources == [Source.model_validate({"name_or_path": "held.jsonl"})], "its form is its own"
    assert (file.holds_out, held_out_count(1000, file), len(file.mixed().sources)) == (True, 0, 2)
    assert [field for field, _ in file.every_source()] == ["data.sources.0", "data.sources.1", "data.validation"]


def test_what_cannot_go_together_is_told() -> None:
    assert "data.eval_rows: data.validation has the rows to measure on" in problems(validation={"name_or_path": "x"})
    assert "name_or_path: it names neither a file nor a split" in problems(validation={"max_rows": 5})
    assert "data.overlap: no row is split, as long_rows is drop" in problems(long_rows="drop", overlap=8)
    wrong = problems(replay={"name_or_path": "x", "format": "text", "columns": {"prompt": "q"}})
    assert "data.replay.columns.prompt: rows of the form text have no prompt" in wrong
    sources = [{"name_or_path": "x", "format": "image_text"}]
    mixed = problems(sources=sources, eval_rows=0, validation={"name_or_path": "y", "format": "text"})
    assert "data.validation.format: rows without images cannot be mixed" in mixed
    assert "data.replay.share" in problems(replay={"name_or_path": "x", "share": 1.0})
