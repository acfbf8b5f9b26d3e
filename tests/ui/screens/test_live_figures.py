"""The live screen of a method that measures more than a loss: its charts beside the loss, or in its place."""

from pathlib import Path

from cockpit.ui.screens.live import LiveScreen
from cockpit.ui.widgets.figure_chart import FigureChart
from cockpit.ui.widgets.loss_chart import LossChart
from tests.recording import RECIPE, record
from tests.ui.drawn import plain
from tests.ui.live_screen import stage
from tests.ui.stage import fed, session_of
from tests.ui.waiting import resized, until


async def test_charts_come_one_after_the_other_and_in_place_of_the_loss_where_room_is_short(tmp_path: Path) -> None:
    run = record(tmp_path, ending="going", steps=30)
    pairs = RECIPE.replace("method: sft", "method: dpo")
    async with stage(session_of(fed(run), recipe=pairs)).run_test(size=(80, 24)) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, LiveScreen)
        await until(pilot, lambda: screen.has_class("-figures"))
        loss, chart = screen.query_one(LossChart), screen.query_one(FigureChart)
        titles = []
        for _ in range(4):
            await pilot.press("n")
            await pilot.pause()
            titles.append(plain(chart.border_title) if chart.display and chart.region.height else "loss")
        assert titles == ["rewards · 1 of 3", "preferred · 2 of 3", "loss · 3 of 3", "loss"]
        assert loss.region.height
        await resized(pilot, 120, 40)
        await until(pilot, lambda: bool(chart.region.height and loss.region.height))
        await pilot.press("n")
        await pilot.pause()
        assert plain(chart.border_title) == "preferred · 2 of 3"


async def test_sft_has_no_charts_of_its_own(tmp_path: Path) -> None:
    async with stage(session_of(fed(record(tmp_path, ending="going", steps=5)))).run_test(size=(120, 40)) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, LiveScreen)
        await pilot.press("n")
        await pilot.pause()
        assert not screen.query_one(FigureChart).region.height
        assert screen.check_action("next_chart", ()) is False
