"""Work that goes on while its screen, or the app, is taken away ends nothing; a fault of its own still does."""

import asyncio

import pytest
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import WorkerFailed

from tests.ui.stage import Stage
from tests.ui.waiting import until


class Busy(Screen[None]):
    """Its worker looks for its widget until that is gone."""

    has_looked = False

    def compose(self) -> ComposeResult:
        yield Static("here")

    def on_mount(self) -> None:
        self.run_worker(self._look())

    async def _look(self) -> None:
        while self.query(Static):
            await asyncio.sleep(0)
        self.has_looked = True
        self.query_one(Static)


async def test_a_worker_whose_screen_is_left_meanwhile_is_no_fault() -> None:
    screen = Busy()
    app = Stage(lambda: screen)
    async with app.run_test() as pilot:
        await until(pilot, lambda: screen.is_current)
        await app.pop_screen()
        await until(pilot, lambda: screen.has_looked)
        assert app.is_running and app.return_code is None


async def test_a_worker_of_an_app_that_closes_meanwhile_is_no_fault() -> None:
    screen = Busy()
    async with Stage(lambda: screen).run_test() as pilot:
        await until(pilot, lambda: screen.is_current)
    assert screen.has_looked


async def test_a_worker_that_asks_a_screen_in_place_for_what_it_has_not_is_a_fault() -> None:
    screen = Busy()
    with pytest.raises(WorkerFailed):
        async with Stage(lambda: screen).run_test() as pilot:
            await until(pilot, lambda: screen.is_current)
            await screen.query_one(Static).remove()
            await until(pilot, lambda: screen.has_looked)
