"""RunShelf: which runs it lists, and what a filter finds."""

import os
from pathlib import Path

import pytest

from cockpit.paths import runs_folder
from cockpit.runs.folder import RunDir
from cockpit.ui.runs import run_shelf
from cockpit.ui.runs.run_shelf import RunShelf
from tests.recording import record


def made(*ids: str, **options: object) -> None:
    for at, run_id in enumerate(ids):
        run = record(runs_folder(), run_id=run_id, steps=4, **options)  # type: ignore[arg-type]
        os.utime(run.recipe, (1000 - at, 1000 - at))


def ids(shelf: RunShelf) -> list[str]:
    return [row.run.id for row in shelf.rows]


def test_the_newest_are_listed_and_a_filter_finds_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_shelf, "SHOWN", 2)
    made("a", "b", "old-one")
    made("worse", ending="failed")
    os.utime(RunDir(runs_folder() / "worse").recipe, (10, 10))
    shelf = RunShelf()
    shelf.look()
    assert ids(shelf) == ["a", "b"]
    shelf.look(["old"])
    assert ids(shelf) == ["old-one"]
    shelf.look(["failed"])
    assert ids(shelf) == ["worse"]
    shelf.look(["failed", "old"])
    assert ids(shelf) == []


def test_a_search_through_many_runs_is_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_shelf, "PART_S", -1.0)
    made("a", "b", "c")
    shelf = RunShelf()
    shelf.look(["completed"])
    listed = [ids(shelf)]
    for _ in range(2):
        assert not shelf.is_whole
        shelf.look(["completed"])
        listed.append(ids(shelf))
    assert listed == [["a"], ["a", "b"], ["a", "b", "c"]]
    assert shelf.is_whole


def test_a_run_whose_recipe_cannot_be_read_still_has_its_figures(tmp_path: Path) -> None:
    made("a")
    run = RunDir(runs_folder() / "a")
    run.recipe.write_text("schema: [1")
    shelf = RunShelf()
    details, recipe = shelf.details(run)
    assert recipe is None
    assert details.data is not None
    assert shelf.known_details(run) == (details, None)
