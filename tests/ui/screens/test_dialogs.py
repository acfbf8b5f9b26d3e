"""Dialogs by mouse: buttons for what keys do, and a click beside the box; help by F1, ? and mouse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from cockpit.launch.export_choices import ExportChoice
from cockpit.launch.export_form import COMMON, ExportForm
from cockpit.runs.folder import RunDir
from cockpit.ui.screens.dialog import Answer, Dialog
from cockpit.ui.screens.editor import EditorScreen
from cockpit.ui.screens.export_dialog import ExportDialog
from cockpit.ui.screens.help import HelpScreen
from cockpit.ui.screens.modal import ModalDialog
from cockpit.ui.screens.path_dialog import PathDialog
from cockpit.ui.screens.save_dialog import SaveDialog
from cockpit.ui.widgets.completing_entry import CompletingEntry
from cockpit.ui.widgets.recipe_form import RecipeForm
from tests.ui.engines import flown, shown, write_recipe
from tests.ui.stage import Stage
from tests.ui.waiting import until

BESIDE = (1, 1)
"""A cell of the screen that no dialog covers."""
SIZES = [(60, 20), (80, 24), (120, 40)]

CHOICES = [ExportChoice(ExportForm.parse(name), 1 << 30, "") for name in COMMON]


async def opened(pilot: Pilot[Any], dialog: ModalDialog[Any]) -> list[Any]:
    """The dialog is shown; what it is answered with comes into the list."""
    answers: list[Any] = []
    await pilot.app.push_screen(dialog, answers.append)
    await until(pilot, lambda: pilot.app.screen is dialog and dialog.query(".answers Button"))
    await pilot.pause()
    return answers


def question() -> Dialog:
    return Dialog("stop?", "It ends.", [Answer("yes", "stop", "End it"), Answer("no", "go on", "Change nothing")])


@pytest.mark.parametrize("size", SIZES)
async def test_every_button_can_be_seen_and_clicked(size: tuple[int, int], tmp_path: Path) -> None:
    app = Stage()
    async with app.run_test(size=size) as pilot:
        made: list[tuple[Callable[[], Any], dict[str, Any]]] = [
            (question, {"yes": "yes", "no": "no"}),
            (lambda: SaveDialog(tmp_path, "mine"), {"take": tmp_path / "mine.yaml", "close": None}),
            (PathDialog, {"close": None}),
            (lambda: ExportDialog(RunDir(tmp_path), CHOICES, lambda form, folder: ""), {"close": None}),
            (lambda: HelpScreen(app.screen), {"close": None}),
        ]
        for make, expected in made:
            for button, answer in expected.items():
                dialog: Any = make()
                answers = await opened(pilot, dialog)
                assert app.screen.region.contains_region(dialog.query_one(f"#{button}").region)
                await pilot.click(f"#{button}")
                await until(pilot, lambda answers=answers: bool(answers))  # type: ignore[misc]
                assert answers == [answer]


async def test_a_click_beside_a_dialog_closes_it(tmp_path: Path) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        for dialog in (question(), SaveDialog(tmp_path, "mine"), PathDialog(), HelpScreen(app.screen)):
            answers = await opened(pilot, dialog)
            box = next(iter(dialog.children))
            await pilot.click(box, offset=(3, 0))
            await pilot.pause()
            assert answers == []
            await pilot.click(dialog, offset=BESIDE)
            await until(pilot, lambda answers=answers: bool(answers))  # type: ignore[misc]
            assert answers == [None]


async def test_a_click_beside_a_dialog_loses_nothing_that_was_typed(tmp_path: Path) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        answers = await opened(pilot, SaveDialog(tmp_path, "mine"))
        await pilot.press("x")
        await pilot.click(app.screen, offset=BESIDE)
        await pilot.pause()
        assert answers == []
        assert app.screen.query_one(Input).value == "x"
        await pilot.press("escape")
        await until(pilot, lambda: answers == [None])
        answers = await opened(pilot, ExportDialog(RunDir(tmp_path), CHOICES, lambda form, folder: ""))
        app.screen.query_one("#folder", Input).value = str(tmp_path / "other")
        await pilot.click(app.screen, offset=BESIDE)
        await pilot.pause()
        assert answers == []
        await pilot.click("#export")
        await until(pilot, lambda: answers == [(ExportForm.parse("adapter"), tmp_path / "other")])


async def test_the_button_says_when_it_replaces_a_recipe(tmp_path: Path) -> None:
    write_recipe(tmp_path, "mine")
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        answers = await opened(pilot, SaveDialog(tmp_path, "mine"))
        await pilot.click("#take")
        await until(pilot, lambda: "replace enter" in shown(app))
        assert answers == []
        await until(pilot, lambda: not app.screen.query_one("#take").has_class("-active"))  # a double click is one
        await pilot.click("#take")
        await until(pilot, lambda: answers == [tmp_path / "mine.yaml"])


async def test_arrows_go_from_answer_to_answer() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        answers = await opened(pilot, question())
        await pilot.press("right", "left", "down", "enter")
        await until(pilot, lambda: answers == ["no"])


async def test_a_click_into_the_field_lists_what_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, PathDialog())
        box = app.screen.query_one(CompletingEntry)
        await pilot.click(box.entry)
        await until(pilot, lambda: box.is_open and "rows.jsonl" in shown(app))


async def test_a_question_mark_opens_help_and_closes_it_but_is_a_letter_in_a_field() -> None:
    async with flown() as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert "F1, ?" in shown(app)
        await pilot.press("question_mark")
        await until(pilot, lambda: not isinstance(app.screen, HelpScreen))
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, EditorScreen))
        form = app.screen.query_one(RecipeForm)
        await until(pilot, lambda: form.focused_path == "backend")
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press("escape", "down", "down")
        await until(pilot, lambda: form.focused_path == "model.name_or_path")
        await pilot.press("question_mark")
        await until(pilot, lambda: form.texts()["model.name_or_path"] == "?")
