"""The start screen's runs: each with its own summary; the filter; small and large screens; a run that is attached."""

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from cockpit.paths import runs_folder, user_recipes_folder
from cockpit.runs.label import Label
from cockpit.ui.app import CockpitApp
from cockpit.ui.screens.label_dialog import LabelDialog
from cockpit.ui.screens.recipes import RecipesScreen
from cockpit.ui.widgets.card import Card
from cockpit.ui.widgets.filter_field import FilterField
from cockpit.ui.widgets.recipe_list import RecipeList
from cockpit.ui.widgets.run_list import RunList
from tests.recording import record
from tests.terminal import Terminal
from tests.ui.drawn import plain
from tests.ui.engines import FakeEngines, FakeProbe, flown, is_at, shown, write_recipe
from tests.ui.waiting import type_text, until

ATTACHING = """
import sys
from pathlib import Path
from cockpit.runs.folder import RunDir
from cockpit.ui.app import CockpitApp
from tests.ui.engines import FakeEngines, FakeProbe
CockpitApp(open_run=RunDir(Path(sys.argv[1])), engines=FakeEngines(), probe=FakeProbe()).run()
"""


async def to_runs(pilot: Pilot[Any]) -> RunList:
    """The list of runs has the focus."""
    runs = pilot.app.screen.query_one(RunList)
    await until(pilot, runs.row_ids)
    runs.focus()
    await until(pilot, lambda: runs.has_focus)
    return runs


def text_on(card: Card) -> str:
    return str(card.query_one(Static).content)


async def test_a_marked_run_shows_what_it_came_to_and_not_its_recipe() -> None:
    record(runs_folder(), run_id="good")
    bad = record(runs_folder(), run_id="bad", ending="failed", until=20, reason="The disk is full.")
    (bad.checkpoints / "checkpoint-20").mkdir(parents=True)
    async with flown() as (app, pilot):
        card = app.screen.query_one("#run-card", Card)
        assert not card.region
        runs = await to_runs(pilot)
        runs.highlighted = list(runs.row_ids()).index("good")
        await until(pilot, lambda: "held-out 4.011 → 0.4443" in text_on(card))
        text = text_on(card)
        assert plain(card.border_title) == "good"
        assert "✓ completed, 300 steps" in text
        assert "3.335 → 0.4356 (means of 10 steps)" in text.replace("\n", " ")
        assert "1 m 14 s" in text
        assert "adapter, 793 KiB" in text
        assert "embedded:demo · 16-bit, 128 tokens" in text
        assert "embedded:pirate · 1,196 rows, 64 held out" in text
        assert not app.screen.query_one("#card").region
        runs.highlighted = list(runs.row_ids()).index("bad")
        await until(pilot, lambda: "The disk is full." in text_on(card))
        text = text_on(card)
        assert "✗ failed after step 20 of 300" in text
        assert "checkpoint after step 20" in text
        app.screen.query_one(RecipeList).focus()
        await until(pilot, lambda: app.screen.query_one("#card").region and not card.region)


async def test_the_keys_of_a_run_follow_the_mark() -> None:
    record(runs_folder(), run_id="good", steps=4)
    record(runs_folder(), run_id="going", steps=40, until=4, ending="going")
    async with flown() as (app, pilot):
        runs = await to_runs(pilot)
        runs.highlighted = list(runs.row_ids()).index("good")
        await until(pilot, lambda: "r resume" in shown(app))
        runs.highlighted = list(runs.row_ids()).index("going")
        await until(pilot, lambda: "r resume" not in shown(app))


async def test_a_slash_filters_recipes_and_runs_until_escape() -> None:
    write_recipe(user_recipes_folder(), "mine")
    record(runs_folder(), run_id="mine-1", steps=4)
    record(runs_folder(), run_id="other", steps=4, ending="failed")
    async with flown() as (app, pilot):
        recipes, runs = app.screen.query_one(RecipeList), app.screen.query_one(RunList)
        await until(pilot, lambda: len(runs.row_ids()) == 2)
        everything = len(recipes.row_ids())
        await pilot.press("slash")
        await type_text(pilot, "mine")
        await until(pilot, lambda: len(recipes.row_ids()) == 1 and list(runs.row_ids()) == ["mine-1"])
        text = shown(app)
        assert f"recipes · 1 of {everything}" in text
        assert "recent runs · 1 found" in text
        await pilot.press("enter")
        await until(pilot, lambda: recipes.has_focus)
        await pilot.press("slash", "end")
        await type_text(pilot, " xyz")
        await until(pilot, lambda: not recipes.row_ids() and not runs.row_ids())
        assert shown(app).count("none found") == 2
        assert "No recipe has all these words." in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: recipes.has_focus and len(recipes.row_ids()) == everything)
        assert len(runs.row_ids()) == 2
        await pilot.press("slash")
        await type_text(pilot, "failed")
        await until(pilot, lambda: list(runs.row_ids()) == ["other"] and not recipes.row_ids())
        await pilot.press("enter")
        await until(pilot, lambda: runs.has_focus)
        await pilot.press("escape")
        await until(pilot, lambda: not app.screen.query_one(FilterField).has_class("-open"))


async def test_a_filter_of_models_and_enter_that_starts_what_is_seen() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        recipes = app.screen.query_one(RecipeList)
        await pilot.press("slash")
        await type_text(pilot, "embedded:demo")
        await until(pilot, lambda: 0 < len(recipes.row_ids()) < 10)
        await pilot.press("down", "enter")
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        assert engines.said[-1].startswith("train demo")


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40), (200, 50)])
async def test_every_run_can_be_told_by_its_id_when_the_list_is_used(size: tuple[int, int]) -> None:
    ids = [f"my-assistant-1120-23{number}" for number in (49, 55, 58)]
    for run_id in ids:
        record(runs_folder(), run_id=run_id, steps=4)
    async with flown(size) as (app, pilot):
        assert "▸ demo" in shown(app)
        await to_runs(pilot)
        await pilot.pause()
        text = shown(app)
        assert all(run_id in text for run_id in ids)
        assert "loss" in text
        assert all(len(line) <= size[0] for line in text.splitlines())


async def test_needs_and_warnings_stand_above_the_fold_at_80_columns() -> None:
    description = "word " * 200
    write_recipe(
        user_recipes_folder(), "mine", data="missing.jsonl",
        **{"Teaches the small model to talk like a pirate.": description},
    )  # fmt: skip
    async with flown((80, 24)) as (app, pilot):
        await until(pilot, lambda: "▲ data.sources" in shown(app))
        text = shown(app)
        assert "needs    CPU, 1 min on 2 CPU cores" in text
        assert text.index("▲ data.sources") < text.index("word word")


async def test_a_large_screen_shows_recipe_and_run_side_by_side_with_their_curves() -> None:
    record(runs_folder(), run_id="good")
    async with flown((200, 50)) as (app, pilot):
        await until(pilot, lambda: "held-out 4.011 → 0.4443" in shown(app))
        for part in ("#card", "#plan", "#run-card", "#course"):
            region = app.screen.query_one(part).region
            assert region.width > 50 and region.height > 20, part


def test_attaching_shows_no_recipes_on_its_way(tmp_path: Path) -> None:
    run = record(tmp_path, until=40, ending="going")
    with Terminal([sys.executable, "-c", ATTACHING, str(run.path)]) as terminal:
        terminal.wait_for("40/300")
        assert b"recent runs" not in terminal.received
        assert b"new from file" not in terminal.received


async def test_who_leaves_an_attached_run_finds_the_recipes_read(tmp_path: Path) -> None:
    run = record(runs_folder(), until=40, ending="going")
    async with flown(open_run=run) as (app, pilot):
        assert is_at(app, "LiveScreen")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RecipesScreen) and app.screen.is_filled)
        assert "cockpit · recipes" in shown(app)
        assert "▸ demo" in shown(app)


async def test_a_run_that_cannot_be_opened_leads_to_the_recipes() -> None:
    run = record(runs_folder(), steps=4)
    run.recipe.write_text("schema: [1")
    app = CockpitApp(open_run=run, engines=FakeEngines(), probe=FakeProbe())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: getattr(app.screen, "is_filled", False))
        await until(pilot, lambda: "a list is not closed" in shown(app))
        assert "▸ demo" in shown(app)


# Names, orders, picks


async def test_a_run_is_labelled_and_found_by_that() -> None:
    run = record(runs_folder(), run_id="good")
    Label(name="old", tags=("lr",)).write(run)
    async with flown() as (app, pilot):
        await to_runs(pilot)
        await until(pilot, lambda: "good old #lr" in shown(app))
        await pilot.press("l")
        await until(pilot, lambda: isinstance(app.screen, LabelDialog))
        assert app.screen.query_one(Input).value == "old #lr"
        await pilot.press("ctrl+u")
        await type_text(pilot, "the best #a/b")
        await until(pilot, lambda: "'a/b' is no tag" in shown(app))
        await pilot.press("enter")
        assert isinstance(app.screen, LabelDialog)
        await pilot.press("ctrl+u")
        await type_text(pilot, "the best #final | learns well")
        await pilot.press("enter")
        await until(pilot, lambda: Label.of(run) == Label(name="the best", tags=("final",), note="learns well"))


async def test_runs_are_sorted_by_another_order() -> None:
    record(runs_folder(), run_id="good")
    bad = record(runs_folder(), run_id="bad", ending="failed", until=40)
    os.utime(bad.recipe, (time.time() + 60,) * 2)
    async with flown() as (app, pilot):
        runs = await to_runs(pilot)
        assert list(runs.row_ids()) == ["bad", "good"]
        for order in ("loss", "held-out", "best"):
            await pilot.press("o")
            await until(pilot, partial(is_shown, app, f"by {order}"))
            assert list(runs.row_ids()) == ["good", "bad"]
        await pilot.press("o")
        await until(pilot, lambda: list(runs.row_ids()) == ["bad", "good"])


async def test_up_to_six_runs_are_picked() -> None:
    for number in range(7):
        record(runs_folder(), run_id=f"run-{number}", steps=10)
    async with flown() as (app, pilot):
        runs = await to_runs(pilot)
        await until(pilot, lambda: len(runs.row_ids()) == 7)
        await pilot.press("space")
        assert "c" not in bindings_of(app)
        for _ in range(5):
            await pilot.press("down", "space")
        assert len(runs.picked) == 6 and "c" in bindings_of(app)
        await pilot.press("down", "space")
        await until(pilot, lambda: "Up to 6 runs are compared" in shown(app))
        await pilot.press("up", "space")
        assert len(runs.picked) == 5


def is_shown(app: CockpitApp, text: str) -> bool:
    return text in shown(app)


def bindings_of(app: CockpitApp) -> set[str]:
    return {found.binding.key for found in app.screen.active_bindings.values() if found.enabled}
