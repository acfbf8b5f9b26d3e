"""CompletingEntry: what it offers, and how an offer is taken."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from cockpit.ui.themes import DARK, LIGHT, THEMES
from cockpit.ui.widgets.completing_entry import CompletingEntry, Offer, OfferList, name_offers, path_offers
from tests.ui.engines import shown
from tests.ui.waiting import resized, until


class Bench(App[None]):
    """One completing entry over another widget."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK.name
        self.folder = folder
        self.submitted: list[str] = []

    def compose(self) -> ComposeResult:
        yield CompletingEntry(lambda text: path_offers(text, (".jsonl",)), f"{self.folder}/")
        yield Input(id="other")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.submitted.append(event.value)


@asynccontextmanager
async def focused(
    folder: Path, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[Bench, Pilot[None], CompletingEntry]]:
    """The bench over `folder`, its field in the focus."""
    app = Bench(folder)
    async with app.run_test(size=size) as pilot:
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
        await pilot.click(OfferList, offset=(3, 2))
        await until(pilot, lambda: box.entry.value == f"{folder}/[red].jsonl")
        assert app.focused is box.entry


async def test_leaving_the_field_closes_the_list(folder: Path) -> None:
    async with focused(folder) as (app, pilot, box):
        await pilot.press("f4")
        await until(pilot, lambda: box.is_open)
        app.query_one("#other").focus()
        await until(pilot, lambda: not box.is_open)


@pytest.mark.parametrize("theme", [DARK.name, LIGHT.name])
async def test_the_marked_offer_stands_out_by_colour_and_sign(folder: Path, theme: str) -> None:
    async with focused(folder) as (app, pilot, _box):
        app.theme = theme
        await pilot.press("f4", "down", "down")
        await until(pilot, lambda: app.query_one(OfferList).highlighted == 1)
        offers = app.query_one(OfferList)
        lines = [offers.render_line(y) for y in range(4)]
        grounds = [{segment.style.bgcolor for segment in line if segment.style} for line in lines]
        assert grounds[0] == grounds[2] == grounds[3]
        assert not grounds[1] & grounds[0]
        assert [line.text.startswith("▸") for line in lines] == [False, True, False, False]


async def test_an_offer_that_was_scrolled_out_of_sight_is_shown_before_it_is_taken(folder: Path) -> None:
    for number in range(30):
        (folder / f"z{number:02}.jsonl").touch()
    async with focused(folder) as (app, pilot, box):
        await pilot.press("f4", "down")
        offers = app.query_one(OfferList)

        def is_scrolled_away() -> bool:
            offers.scroll_end(animate=False)  # again where the list was laid out meanwhile
            return not offers.shows_mark()

        await until(pilot, is_scrolled_away)
        await pilot.press("enter")
        assert box.entry.value == f"{folder}/"
        assert offers.shows_mark()
        await pilot.press("enter")
        assert box.entry.value == f"{folder}/data/"
        assert app.submitted == []


@pytest.mark.parametrize("line", [0, 9, 16])
async def test_the_list_never_lies_over_what_is_typed(folder: Path, line: int) -> None:
    for number in range(30):
        (folder / f"z{number:02}.jsonl").touch()
    async with focused(folder, (60, 20)) as (app, pilot, box):
        box.styles.margin = (line, 0, 0, 0)
        await until(pilot, lambda: box.entry.region.y == line)
        await pilot.press("f4")
        offers = app.query_one(OfferList)
        await until(pilot, lambda: offers.region.height > 3)
        assert not offers.region.overlaps(box.entry.region)
        assert app.screen.region.contains_region(offers.region)
        assert offers.region.bottom == line if line > 9 else offers.region.y == line + 1


async def test_a_layout_that_comes_after_the_keys_leaves_the_list_open(folder: Path) -> None:
    async with focused(folder) as (app, pilot, box):
        await pilot.press("end", "f")
        await until(pilot, lambda: box.is_open)
        await resized(pilot, 70, 24)
        await until(pilot, lambda: box.size.width == 70 and "first.jsonl" in shown(app))
        assert box.is_open


async def test_a_terminal_made_smaller_moves_the_list_to_where_there_is_room(folder: Path) -> None:
    async with focused(folder, size=(80, 24)) as (app, pilot, box):
        box.styles.dock = "bottom"
        await pilot.press("f4")
        await until(pilot, lambda: box.is_open)
        await resized(pilot, 60, 8)
        await until(pilot, lambda: box.size.width == 60)
        listed = box.query_one(OfferList)
        await until(pilot, lambda: listed.region.height > 0 and listed.region.bottom <= box.region.y)
        assert "data/" in shown(app)
        assert listed.region.y >= 0
