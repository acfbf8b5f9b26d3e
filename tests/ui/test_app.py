"""The app: quitting, themes, help, palette."""

import asyncio
import json
from pathlib import Path

import pytest
from textual.command import CommandPalette

from cockpit.paths import runs_folder, user_recipes_folder
from cockpit.protocol.commands import Stop
from cockpit.recipe.document import RecipeDocument
from cockpit.ui import preload
from cockpit.ui.app import CockpitApp
from cockpit.ui.messages import StartRun
from cockpit.ui.preferences import preferences_file
from cockpit.ui.screens.dialog import Dialog
from cockpit.ui.screens.help import HelpScreen
from cockpit.ui.themes import DARK, LIGHT
from cockpit.ui.widgets.recipe_list import RecipeList
from tests.recording import record
from tests.ui.engines import FakeEngines, FakeProbe, flown, is_at, shown, write_recipe
from tests.ui.flying import started
from tests.ui.waiting import until

# Quitting


async def test_quit_without_a_run_dismisses_the_standby() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)
    assert "dismiss 1" in engines.said


async def test_quit_while_the_first_screen_is_still_being_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind the live screen of `cockpit attach`. What comes then has no place any more; that is no fault."""
    app = CockpitApp(engines=FakeEngines(), probe=FakeProbe())

    async def imported_once_left() -> None:
        while app.return_code is None:
            await asyncio.sleep(0)

    monkeypatch.setattr(preload, "import_for_editing", imported_once_left)
    async with app.run_test() as pilot:
        await app.action_quit()
        await until(pilot, lambda: not app.is_running)
    assert app.return_code == 0


async def test_quit_can_leave_the_run_going() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        await started(app, pilot)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("enter")
        await until(pilot, lambda: not app.is_running)
    assert engines.started[0].link.sent == []
    assert "dismiss 1" not in engines.said


async def test_quit_can_stop_and_save() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        await started(app, pilot)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("right", "enter")
        await until(pilot, lambda: not app.is_running)
    (stop,) = engines.started[0].link.sent
    assert isinstance(stop, Stop)
    assert stop.save


async def test_quit_can_be_taken_back() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        await started(app, pilot)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("escape")
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        assert app.is_running


async def test_ctrl_c_tells_how_to_leave_and_what_becomes_of_the_run() -> None:
    async with flown() as (app, pilot):
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "Ctrl+Q leaves; a run that is training goes on" in " ".join(shown(app).split()))


async def test_quit_asks_about_edits_that_are_not_saved(tmp_path: Path) -> None:
    async with flown() as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: is_at(app, "EditorScreen"))
        await pilot.press("pagedown", "9")
        await until(pilot, lambda: getattr(app.screen, "unsaved", 0) == 1)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        assert "1 change not saved." in shown(app)
        await pilot.press("right", "enter")
        await until(pilot, lambda: not app.is_running)


# Looks and help


async def test_the_theme_is_kept_for_the_next_launch() -> None:
    async with flown() as (app, pilot):
        assert app.theme == DARK.name
        await pilot.press("f2")
        await until(pilot, preferences_file().exists)
        assert json.loads(preferences_file().read_text()) == {"theme": LIGHT.name}
    async with flown() as (app, _):
        assert app.theme == LIGHT.name


@pytest.mark.parametrize("content", ["", "[]", '{"theme": 3}', '{"theme": "none such"}', "\x00"])
async def test_a_preferences_file_that_is_none_does_no_harm(content: str) -> None:
    preferences_file().parent.mkdir(parents=True)
    preferences_file().write_text(content)
    async with flown() as (app, _):
        assert app.theme == DARK.name


async def test_a_theme_that_cannot_be_remembered_does_no_harm() -> None:
    preferences_file().parent.parent.mkdir(parents=True)
    preferences_file().parent.write_text("a file where the folder should be")
    async with flown() as (app, pilot):
        await pilot.press("f2")
        await until(pilot, lambda: app.theme == LIGHT.name)


async def test_help_tells_of_the_focused_widget_and_of_every_key() -> None:
    async with flown() as (app, pilot):
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        text = shown(app)
        assert "The recipes: yours first" in text
        assert "Train the marked recipe" in text
        assert "F2" in text
        await pilot.press("escape")
        await until(pilot, lambda: is_at(app, "RecipesScreen"))


async def test_the_palette_runs_what_keys_run() -> None:
    async with flown() as (app, pilot):
        commands = {command.title: command for command in app.get_system_commands(app.screen)}
        assert {"Start", "Edit", "New from file", "Help", "Quit", "Theme"} <= set(commands)
        await commands["Edit"].callback()
        await until(pilot, lambda: is_at(app, "EditorScreen"))


async def test_every_key_is_named_and_explained() -> None:
    async with flown() as (app, pilot):
        app.screen.action_edit()  # type: ignore[attr-defined]
        await until(pilot, lambda: is_at(app, "EditorScreen"))
        for screen in app.screen_stack:
            bindings = [active.binding for active in screen.active_bindings.values()]
            ours = [binding for binding in bindings if binding.id]
            assert len(ours) > 5
            assert all(binding.description and binding.tooltip for binding in ours)


async def test_every_focusable_widget_has_help() -> None:
    async with flown() as (app, pilot):
        app.screen.action_edit()  # type: ignore[attr-defined]
        await until(pilot, lambda: is_at(app, "EditorScreen"))
        for screen in app.screen_stack:
            for widget in screen.focus_chain:
                assert getattr(widget, "own_help", "") or widget.HELP, widget


async def test_a_recipe_with_escapes_in_its_name_starts_nothing_odd(tmp_path: Path) -> None:
    document = RecipeDocument.parse((write_recipe(tmp_path, "a")).read_text(), "x\x1b[31m.yaml")
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: app.engine_status.report is not None)
        app.post_message(StartRun(document))
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        await pilot.pause()
        assert "\x1b" not in shown(app)


async def test_nothing_ticks_any_more_once_the_app_is_left() -> None:
    async with flown() as (app, pilot):
        await started(app, pilot)
        ticks: list[int | None] = []
        for pump in (app, *app.screen_stack):
            pump.set_interval(0.001, lambda: ticks.append(app.return_code))
        await until(pilot, lambda: len(ticks) > len(app.screen_stack))
        await pilot.press("ctrl+q")
        await pilot.press("enter")
        await until(pilot, lambda: not app.is_running)
    assert set(ticks) == {None}, "Textual has no timer call what it was set for once the app is told to exit."


async def test_the_palette_finds_recipes_and_runs() -> None:
    write_recipe(user_recipes_folder(), "[red]mine")
    record(runs_folder(), run_id="one-run", steps=4)
    async with flown() as (app, pilot):
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"mine")
        await until(pilot, lambda: "Recipe [red]mine" in shown(app))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: is_at(app, "RecipesScreen"))
        commands = {command.title: command.callback for command in app.get_system_commands(app.screen)}
        commands["Recipe phi-4"]()
        await until(pilot, lambda: "▸ phi-4" in shown(app))
        commands["Run one-run"]()
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        assert app.session is not None and app.session.link.run.id == "one-run"
        commands["Recipe \\[red]mine"]()
        await until(pilot, lambda: is_at(app, "EditorScreen") and "[red]mine · edit" in shown(app))


async def test_a_recipe_that_the_filter_hides_is_shown_when_it_is_gone_to() -> None:
    async with flown() as (app, pilot):
        recipes = app.screen.query_one(RecipeList)
        await pilot.press("slash", *"llama", "enter")
        await until(pilot, lambda: recipes.has_focus and len(recipes.row_ids()) < 6)
        {command.title: command.callback for command in app.get_system_commands(app.screen)}["Recipe phi-4"]()
        await until(pilot, lambda: "▸ phi-4" in shown(app))
