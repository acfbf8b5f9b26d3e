"""How long rows are is known of those that were tokenized here, until something changes that they hang on."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.data.row_lengths import KnownRows, RowLengths, what_is_asked
from cockpit.data.rows_cache import RowsCache
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe

RECIPE = """
schema: 1
method: sft
about: {title: rows, description: Rows that were tokenized here., needs: CPU, duration: 1 min}
model: {name_or_path: owner/name}
data:
  sources: [{name_or_path: none, format: text}]
training:
  max_steps: 3
"""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "one"}\n')
    return path


def recipe(rows: Path, *settings: str) -> Recipe:
    document = RecipeDocument.parse(RECIPE, "recipe.yaml")
    document.set("data.sources.0.name_or_path", str(rows))
    for setting in settings:
        document.set_from_text(setting)
    return document.recipe()


def cache_of(folder: Path, asked: str | None, **about: object) -> RowsCache:
    cache = RowsCache(folder / "cache", 10**9)
    draft = cache.draft("a" * 32)
    (draft.folder / "rows.arrow").write_bytes(b"x")
    draft.keep({"asked": asked, "rows": 4, "tokens": 120, "longest": 60, "shortest": 10} | about, {"rows.arrow": "1"})
    return cache


def test_the_rows_of_an_entry_are_known_to_recipes_that_train_them(
    tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownRows.read(cache_of(tmp_path, what_is_asked(recipe(rows))))
    found = known.of(recipe(rows, "training.learning_rate=1e-5", "data.eval_rows=1"))
    assert found == RowLengths(4, 60, 10, 120)
    assert (found.mean, found.alike) == (30, False)
    monkeypatch.chdir(tmp_path)
    assert known.of(recipe(Path("rows.jsonl"))) == found, "the same file"


@pytest.mark.parametrize(
    "change",
    ["data.chat_template=chatml", "model.name_or_path=owner/other", "training.max_length=64", "model.add_tokens=[<a>]"],
)
def test_what_makes_other_rows_is_not_known(tmp_path: Path, rows: Path, change: str) -> None:
    known = KnownRows.read(cache_of(tmp_path, what_is_asked(recipe(rows))))
    assert known.of(recipe(rows, change)) is None


def test_a_file_that_was_written_since_holds_other_rows(tmp_path: Path, rows: Path) -> None:
    known = KnownRows.read(cache_of(tmp_path, what_is_asked(recipe(rows))))
    rows.write_text('{"text": "one and two"}\n')
    assert known.of(recipe(rows)) is None


@pytest.mark.parametrize("about", [{"longest": None}, {"rows": 0}, {"tokens": "many"}])
def test_entries_of_other_versions_tell_nothing(tmp_path: Path, rows: Path, about: dict[str, object]) -> None:
    assert KnownRows.read(cache_of(tmp_path, what_is_asked(recipe(rows)), **about)).of(recipe(rows)) is None


def test_a_cache_that_is_not_there_knows_nothing(tmp_path: Path, rows: Path) -> None:
    assert KnownRows.read(RowsCache(tmp_path / "none", 10)).of(recipe(rows)) is None
