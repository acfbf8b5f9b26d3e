"""CompletingEntry: what it offers, and how an offer is taken."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from cockpit.ui.themes import DARK
from cockpit.ui.widgets.completing_entry import CompletingEntry, Offer, name_offers, path_offers
from tests.ui.engines import shown
from tests.ui.waiting import until


class Bench(App[None]):
    """One completing entry over another widget."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self.folder = folder
        self.submitted: list[str] = []

    def compose(self) -> ComposeResult:
        yield CompletingEntry(lambda text: path_offers(text, (".jsonl",)), f"{self.folder}/")
        yield Input(id="other")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.submitted.append(event.value)


@asynccontextmanager
async def focused(folder: Path) -> AsyncIterator[tuple[Bench, Pilot[None], CompletingEntry]]:
    """The bench over `folder`, its field in the focus."""
    app = Bench(folder)
    async with app.run_test() as pilot:
        box = app.query_one(CompletingEntry)
        box.entry.focus()
        yield app, pilot, box


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.jsonl").touch()
    for name in ("first.jsonl", "second.jsonl", "notes.md", ".hidden.jsonl", "bad\x1b[31m.jsonl", "[red].jsonl"):
        (tmp_path / name).touch()
    return tmp_path


def test_paths_offer_folders_first_and_files_that_fit(folder: Path) -> None:
    offers = [offer.value.removeprefix(f"{folder}/") for offer in path_offers(f"{folder}/", (".jsonl",))]
    assert offers == ["data/", "[red].jsonl", "first.jsonl", "second.jsonl"]


def test_hidden_names_come_when_asked_for(folder: Path) -> None:
    assert [Path(offer.value).name for offer in path_offers(f"{folder}/.", (".jsonl",))] == [".hidden.jsonl"]


def test_without_suffixes_only_folders_are_offered(folder: Path) -> None:
    assert [offer.value for offer in path_offers(f"{folder}/", ())] == [f"{folder}/data/"]


@pytest.mark.parametrize("text", ["/no/such/folder/x", "~nobody-here/x", "\x00/x"])
def test_what_is_no_path_offers_nothing(text: str) -> None:
    assert path_offers(text, (".jsonl",)) == []


def test_home_is_understood_and_kept_as_typed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert [offer.value for offer in path_offers("~/da", (".jsonl",))] == ["~/data/"]


def test_names_are_found_by_any_part_of_them() -> None:
    names = [Offer("unsloth/gemma-3-4b-it"), Offer("embedded:demo")]
    assert name_offers("Gemma", names) == names[:1]
    assert name_offers("", names) == names


async def test_tab_goes_down_folder_by_folder(folder: Path) -> None:
    async with focused(folder) as (app, pilot, box):
        await pilot.press("end", "d")
        await until(pilot, lambda: box.is_open)
        await pilot.press("tab")
        assert box.entry.value == f"{folder}/data/"
        await until(pilot, lambda: box.is_open)
        await pilot.press("tab")
        assert box.entry.value == f"{folder}/data/rows.jsonl"
        await until(pilot, lambda: not box.is_open)
        await pilot.press("tab")
        assert app.focused is app.query_one("#other")


async def test_arrows_mark_and_enter_takes_then_submits(folder: Path) -> None:
    async with focused(folder) as (app, pilot, box):
        await pilot.press("f4", "down", "down", "up", "down", "down", "enter")
        assert box.entry.value == f"{folder}/first.jsonl"
        assert app.submitted == []
        await pilot.press("enter")
        assert app.submitted == [f"{folder}/first.jsonl"]


async def test_escape_closes_the_list_only(folder: Path) -> None:
    async with focused(folder) as (_, pilot, box):
        await pilot.press("f4")
        await until(pilot, lambda: box.is_open)
        await pilot.press("escape")
        await until(pilot, lambda: not box.is_open)
        assert box.entry.value == f"{folder}/"


async def test_a_click_takes_an_offer_and_names_are_no_markup(folder: Path) -> None:
    async with focused(folder) as (app, pilot, box):
        await pilot.press("f4")
        await pilot.pause()
        assert "[red].jsonl" in shown(app)
        await pilot.click(OptionList, offset=(3, 2))
        await until(pilot, lambda: box.entry.value == f"{folder}/[red].jsonl")
        assert app.focused is box.entry


async def test_leaving_the_field_closes_the_list(folder: Path) -> None:
    async with focused(folder) as (app, pilot, box):
        await pilot.press("f4")
        await until(pilot, lambda: box.is_open)
        app.query_one("#other").focus()
        await until(pilot, lambda: not box.is_open)
