"""Keys that arrive in one burst: each means what it would have meant after the one before it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from cockpit.launch.export_choices import ExportChoice
from cockpit.launch.export_form import COMMON, ExportForm
from cockpit.runs.folder import RunDir
from cockpit.ui.screens.editor import EditorScreen
from cockpit.ui.screens.export_dialog import ExportDialog
from cockpit.ui.screens.save_dialog import SaveDialog
from cockpit.ui.typed_ahead import TypedAhead
from cockpit.ui.widgets.prompt_field import PromptField
from cockpit.ui.widgets.recipe_form import RecipeForm
from cockpit.ui.widgets.sampling_form import SamplingForm
from tests.ui.editor_steps import editing
from tests.ui.engines import flown, write_recipe
from tests.ui.stage import Stage
from tests.ui.talking import Talking
from tests.ui.waiting import ahead, until

CHOICES = [ExportChoice(ExportForm.parse(name), 1 << 30, "") for name in COMMON]


@pytest.mark.parametrize("next_field", ["down", "enter", "tab"])
async def test_each_field_gets_what_was_typed_for_it(tmp_path: Path, next_field: str) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (_, pilot, screen):
        ahead(pilot, "pagedown", "9", next_field, "1", "8", next_field, "0", ".", "5", next_field, "a")
        wanted = {"lora.r": 9, "lora.lora_alpha": 18, "lora.lora_dropout": 0.5, "lora.target_modules": ["a"]}
        document = screen.draft.document
        await until(pilot, lambda: {path: document.value(path) for path in wanted} == wanted)
        assert screen.query_one(RecipeForm).focused_path == "lora.target_modules"
        assert set(screen.draft.changed()) == set(wanted)


@pytest.mark.parametrize("field_before", ["up", "shift+tab"])
async def test_the_way_back_and_into_other_groups(tmp_path: Path, field_before: str) -> None:
    """Up from the first field leads into the group before; a group's keys lead to its first field."""
    async with editing(write_recipe(tmp_path, "mine")) as (_, pilot, screen):
        ahead(pilot, "pagedown", "down", "1", "8", field_before, "9", "up", "up", "down", "7", "0")
        ahead(pilot, "pagedown", "pagedown", "down", "pageup", "pagedown", "pagedown", "down", "6")
        changed = {
            "lora.lora_alpha": 18,
            "lora.r": 9,
            "hardware.gpu": "70",
            "training.per_device_train_batch_size": 6,
        }
        document = screen.draft.document
        await until(pilot, lambda: {path: document.value(path) for path in changed} == changed)
        assert set(screen.draft.changed()) == set(changed)


async def test_keys_for_an_editor_that_has_yet_to_open_wait_for_its_fields(tmp_path: Path) -> None:
    async with flown() as (app, pilot):
        ahead(pilot, "e", "pagedown", "9", "down", "1", "8", "ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, SaveDialog))
        editor = app.screen_stack[-2]
        assert isinstance(editor, EditorScreen)
        assert editor.draft.document.value("lora.r") == 9
        assert editor.draft.document.value("lora.lora_alpha") == 18


async def test_a_dialog_gets_what_was_typed_after_the_key_that_opens_it(tmp_path: Path) -> None:
    async with editing(write_recipe(tmp_path, "mine")) as (app, pilot, screen):
        ahead(pilot, "pagedown", "9", "ctrl+s", "n", "e", "w", "enter", "8")
        await until(pilot, lambda: app.screen is screen and screen.draft.document.name == "new")
        await until(pilot, lambda: screen.draft.document.value("lora.r") == 98)
        assert list(screen.draft.changed()) == ["lora.r"], "what was typed after it is not saved"


async def test_a_dialog_of_several_fields(tmp_path: Path) -> None:
    async with flown() as (app, pilot):
        taken: list[tuple[ExportForm, Path] | None] = []
        app.push_screen(ExportDialog(RunDir(tmp_path / "run"), CHOICES, lambda form, folder: ""), taken.append)
        folder = tmp_path / "here"
        ahead(pilot, "down", "tab", *str(folder), "up", "down", "tab", "end", "1", "enter")
        await until(pilot, lambda: bool(taken))
        assert taken[0] is not None
        form, chosen = taken[0]
        assert str(chosen) == f"{folder}1"
        assert form.name != "adapter"


async def test_the_sampling_fields(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        form = pilot.app.screen.query_one(SamplingForm)
        ahead(
            pilot, "f4", "down", "right", "down", "0", ".", "7", "down", "0", ".", "5", "down", "4", "0", "f4", "h", "i"
        )
        prompt = pilot.app.screen.query_one(PromptField)
        await until(pilot, lambda: prompt.has_focus and prompt.text.endswith("hi"))
        texts = {entry.id: entry.value for entry in form.query(Input)}
        assert (texts["temperature"], texts["top_p"], texts["top_k"]) == ("0.7", "0.5", "40")


class Slow(Widget, can_focus=True):
    """Takes its time over a key."""

    def __init__(self) -> None:
        super().__init__()
        self.done, self.keys = asyncio.Event(), list[str]()

    async def on_key(self, event: object) -> None:
        self.keys.append("begun")
        await self.done.wait()


class SlowApp(TypedAhead):
    """Has a key that works whatever the widget does."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f5", "note", priority=True)]

    def __init__(self) -> None:
        super().__init__()
        self.slow, self.noted = Slow(), 0

    def compose(self) -> ComposeResult:
        yield self.slow

    def action_note(self) -> None:
        self.noted += 1
        self.slow.done.set()


async def test_a_widget_that_never_answers_a_key_keeps_none_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.ui.typed_ahead.STUCK_AFTER_S", 0.0)
    app = SlowApp()
    async with app.run_test() as pilot:
        app.slow.focus()
        await until(pilot, lambda: app.slow.has_focus)
        ahead(pilot, "a")
        await until(pilot, lambda: app.slow.keys == ["begun"])
        ahead(pilot, "f5")
        await until(pilot, lambda: app.noted == 1)


class HeldUp(Widget, can_focus=True):
    """Its first key holds the whole app up for a minute, then the next one is typed, then the focus moves."""

    def __init__(self, clock: list[float]) -> None:
        super().__init__()
        self.clock, self.keys = clock, list[str]()

    def on_key(self, event: Key) -> None:
        self.keys.append(event.key)
        if event.key == "a":
            self.clock[0] += 60.0
            self.app.post_message(Key("b", "b"))
            self.app.call_later(self.screen.focus_next)


async def test_an_app_that_was_held_up_hands_no_key_on_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("cockpit.ui.typed_ahead.time", SimpleNamespace(monotonic=lambda: clock[0]))
    first, second = HeldUp(clock), HeldUp(clock)
    app = Stage(widgets=[first, second])
    async with app.run_test() as pilot:
        first.focus()
        await until(pilot, lambda: first.has_focus)
        ahead(pilot, "a")
        await until(pilot, lambda: first.keys == ["a"] and second.keys == ["b"])


async def test_a_key_waits_for_the_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    app = SlowApp()
    monkeypatch.setattr("cockpit.ui.typed_ahead.STUCK_AFTER_S", 3600.0)
    async with app.run_test() as pilot:
        app.slow.focus()
        await until(pilot, lambda: app.slow.has_focus)
        ahead(pilot, "a", "f5")
        await until(pilot, lambda: app.slow.keys == ["begun"])
        assert app.noted == 0
        app.slow.done.set()
        await until(pilot, lambda: app.noted == 1)


class NeverOpen(Screen[None]):
    """A screen that is opening for ever."""

    is_opening = True
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.pop_screen")]


async def test_a_screen_that_never_opens_can_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.ui.typed_ahead.STUCK_AFTER_S", 3600.0)
    monkeypatch.setattr("cockpit.ui.typed_ahead.OPENS_WITHIN_S", 0.1)
    app = SlowApp()
    async with app.run_test() as pilot:
        first = app.screen
        await app.push_screen(NeverOpen())
        ahead(pilot, "a", "b", "escape")
        await until(pilot, lambda: app.screen is first)
