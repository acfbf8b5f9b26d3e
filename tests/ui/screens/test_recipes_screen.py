"""The start screen: what is listed, what the card says, where the keys lead."""

import asyncio
import threading
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import OptionList

from cockpit.disk import open_to_read
from cockpit.paths import runs_folder, user_recipes_folder
from cockpit.ui.app import CockpitApp
from cockpit.ui.screens.editor import EditorScreen
from cockpit.ui.screens.path_dialog import PathDialog
from cockpit.ui.screens.recipes import RecipesScreen
from cockpit.ui.widgets.recipe_list import RecipeList
from tests.recording import record
from tests.runs.complete_checkpoint import write_safetensors
from tests.ui.engines import FakeEngines, FakeProbe, flown, is_at, shown, write_data, write_recipe
from tests.ui.waiting import until


def listed(app: Any) -> list[str]:
    return [str(option.prompt).strip() for option in app.screen.query_one(RecipeList).options]


async def test_the_demo_is_first_and_marked() -> None:
    async with flown() as (app, _):
        recipes = app.screen.query_one(RecipeList)
        assert recipes.highlighted == 0
        assert recipes.has_focus
        text = shown(app)
        assert "▸ demo" in text
        assert "CPU" in listed(app)[0]
        assert "1 min" in listed(app)[0]


async def test_ones_own_recipes_stand_in_the_same_list_and_show_on_the_card() -> None:
    write_recipe(user_recipes_folder(), "mine", **{"r: 16": "r: 48"})
    async with flown() as (app, _):
        text = shown(app)
        assert "▸ mine · yours" in text, "one's own come first"
        assert "A pirate in one minute" in text
        assert "r 48, alpha 16" in text
        assert "300, 15 of them warm-up" in text


async def test_weights_are_looked_at_by_another_thread_before_their_card_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[threading.Thread] = []
    weights = write_safetensors(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}')
    write_recipe(user_recipes_folder(), "first")
    write_recipe(user_recipes_folder(), "second", **{"embedded:demo": str(tmp_path)})

    def read(path: Path) -> BufferedReader:
        if path == weights:
            readers.append(threading.current_thread())
        return open_to_read(path)

    monkeypatch.setattr("cockpit.models.weights_file.open_to_read", read)
    async with flown() as (app, pilot):
        await until(pilot, lambda: len(readers) == 2)  # whether it is whole, and what it holds
        await pilot.press("down")
        await until(pilot, lambda: "second · yours" in shown(app))
    assert threading.main_thread() not in readers


async def test_a_named_recipe_is_marked_at_first() -> None:
    write_recipe(user_recipes_folder(), "mine")
    write_recipe(user_recipes_folder(), "demo", **{"r: 16": "r: 48"})
    async with flown(recipe="mine") as (app, _):
        assert app.screen.query_one(RecipeList).highlighted == 1
    async with flown(recipe="demo") as (app, _):
        assert "r 48" in shown(app), "one's own goes before the shipped one"


async def test_a_broken_recipe_of_ones_own_is_not_what_is_marked_at_first() -> None:
    (user_recipes_folder() / "broken.yaml").parent.mkdir(parents=True, exist_ok=True)
    (user_recipes_folder() / "broken.yaml").write_text("schema: [1\n")
    write_recipe(user_recipes_folder(), "mine")
    async with flown() as (app, _):
        assert listed(app)[0].startswith("✗ broken")
        assert "▸ mine · yours" in shown(app)


async def test_a_broken_recipe_is_listed_with_what_is_wrong() -> None:
    write_recipe(user_recipes_folder(), "odd", **{"r: 16": "r: 0"})
    (user_recipes_folder() / "truncated.yaml").write_text("schema: [1\n")
    (user_recipes_folder() / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        rows = listed(app)
        assert sum("broken" in row for row in rows) == 3
        await pilot.press("home")
        await pilot.pause()
        assert "cannot be used as it stands" in shown(app)
        await pilot.press("enter")
        await pilot.pause()
        assert not any(said.startswith("train") for said in engines.said)
        assert not app.screen.query("Toast")  # the card says why
        odd = next(index for index, row in enumerate(rows) if "odd" in row)
        app.screen.query_one(RecipeList).highlighted = odd
        await pilot.pause()
        assert "lora.r" in shown(app)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, EditorScreen))
        await until(pilot, lambda: "✗1" in shown(app))


async def test_markup_and_escapes_of_names_are_text() -> None:
    write_recipe(user_recipes_folder(), "[red]x", **{"A pirate in one minute": '"[bold]L\\x1b[5moud"'})
    async with flown() as (app, pilot):
        await pilot.pause()
        assert "[red]x" in shown(app)
        assert "[bold]Loud" in shown(app)


async def test_recent_runs_show_their_outcome_and_open() -> None:
    record(runs_folder(), run_id="demo-1120-2349")
    record(runs_folder(), run_id="demo-1120-2350", ending="failed", until=20)
    async with flown() as (app, pilot):
        await until(pilot, lambda: "300 steps" in shown(app))
        text = shown(app)
        assert "✓ demo-1120-2349" in text
        assert "✗ demo-1120-2350" in text
        await pilot.press("tab")
        runs = app.screen.query_one("#run-list", OptionList)
        await until(pilot, lambda: runs.has_focus)
        await pilot.press("enter")
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        assert app.session is not None
        assert app.session.link.run.id == str(runs.highlighted_option.id if runs.highlighted_option else "")


async def test_a_click_marks_and_a_second_one_starts() -> None:
    write_recipe(user_recipes_folder(), "mine")
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await pilot.click("#recipe-list", offset=(5, 2))
        await pilot.pause()
        assert app.screen.query_one(RecipeList).highlighted == 1
        assert not any(said.startswith("train") for said in engines.said)
        await pilot.click("#recipe-list", offset=(5, 1), times=2)
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        assert engines.said[-1].startswith("train mine")


async def test_a_recipe_that_was_scrolled_out_of_sight_is_not_started_unseen() -> None:
    for number in range(20):
        write_recipe(user_recipes_folder(), f"mine{number:02}")
    engines = FakeEngines()
    async with flown((80, 24), engines=engines) as (app, pilot):
        recipes = app.screen.query_one(RecipeList)
        recipes.scroll_end(animate=False)
        await until(pilot, lambda: not recipes.shows_mark())
        await pilot.press("enter")
        assert recipes.shows_mark()
        assert not any(said.startswith("train") for said in engines.said)
        await pilot.press("enter")
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        assert engines.said[-1].startswith("train mine00")


async def test_enter_pressed_before_the_recipes_are_read_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = asyncio.Event()
    monkeypatch.setattr("cockpit.ui.preload.import_for_editing", imported.wait)
    engines = FakeEngines()
    app = CockpitApp(engines=engines, probe=FakeProbe())
    async with app.run_test() as pilot:
        assert isinstance(app.screen, RecipesScreen)
        assert not app.screen.is_filled
        app.screen.action_start()
        imported.set()
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        assert engines.said[-1].startswith("train demo")


async def test_new_from_a_recipe_file_opens_the_editor(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "elsewhere")
    async with flown() as (app, pilot):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, PathDialog))
        app.screen.query_one("#path").value = str(path)  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, EditorScreen))
        assert "elsewhere · edit" in shown(app)


async def test_new_from_a_data_file_trains_the_marked_recipe_on_it(tmp_path: Path) -> None:
    path = write_data(tmp_path)
    async with flown() as (app, pilot):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, PathDialog))
        app.screen.query_one("#path").value = str(path)  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, EditorScreen))
        screen = app.screen
        assert isinstance(screen, EditorScreen)
        assert screen.draft.text("data.sources.0.name_or_path") == str(path)
        await until(pilot, lambda: "90 rows" in shown(app))


async def test_a_path_that_is_no_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    async with flown() as (app, pilot):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, PathDialog))
        await pilot.press("enter")
        assert "Type the path of a file." in shown(app)
        app.screen.query_one("#path").value = str(tmp_path / "none.yaml")  # type: ignore[attr-defined]
        await pilot.press("enter")
        await pilot.pause()
        assert "There is no such file." in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, PathDialog))


async def test_the_narrow_layout_keeps_lists_and_card_in_sight() -> None:
    async with flown((80, 24)) as (app, pilot):
        await pilot.pause()
        text = shown(app)
        assert "recipes" in text
        assert "recent runs" in text
        assert "LoRA" in text
        assert all(len(line) <= 80 for line in text.splitlines())


async def test_a_damaged_run_is_listed_as_one_and_opens_with_a_sentence() -> None:
    record(runs_folder(), run_id="sound", steps=4)
    bad = record(runs_folder(), run_id="bad", steps=4)
    with bad.events.open("ab") as log:
        log.write(b'{"type":"LogWritten","at":1e300,"level":"info","text":""}\n{"type":[]}\n')
    async with flown() as (app, pilot):
        await until(pilot, lambda: "! bad" in shown(app))
        runs = app.screen.query_one("#run-list", OptionList)
        rows = {str(option.id): str(option.prompt) for option in runs.options}
        assert "! bad" in rows["bad"] and "damaged" in rows["bad"]
        assert "✓ sound" in rows["sound"]
        runs.focus()
        runs.highlighted = list(rows).index("bad")
        await pilot.press("enter")
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        await until(pilot, lambda: "This run is damaged" in shown(app))
