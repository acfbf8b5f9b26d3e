"""The machine on the live screen: one, two, four and eight GPUs at every size, and of a run that has ended."""

from pathlib import Path

import pytest
from textual.widget import Widget

from cockpit.runs.link import RunLink
from cockpit.settings import Price
from cockpit.ui.widgets.gpu_list import GpuList
from cockpit.ui.widgets.machine_column import MachineColumn
from cockpit.ui.widgets.now_panel import NowPanel
from cockpit.ui.widgets.run_panel import RunPanel
from cockpit.ui.widgets.vram_gauge import VramGauge
from tests.recording import record
from tests.ui.drawn import all_text, plain, text_of
from tests.ui.live_screen import card, line, stage
from tests.ui.stage import fed, session_of
from tests.ui.waiting import resized, until


def gauges(column: MachineColumn) -> list[Widget]:
    return [child for child in column.children if child.display]


@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
async def test_the_readings_of_every_gpu_are_seen_whole(tmp_path: Path, gpus: int) -> None:
    run = record(tmp_path, until=8, ending="going", gpus=gpus)
    wanted = [VramGauge] * gpus if gpus <= 2 else [GpuList]
    async with stage(session_of(fed(run))).run_test(size=(80, 24)) as pilot:
        column = pilot.app.screen.query_one(MachineColumn)
        for size in ((80, 24), (120, 40), (200, 50)):
            await resized(pilot, *size)
            await until(pilot, lambda: list(map(type, gauges(column))) == wanted)
            await pilot.pause()
            panels = gauges(column)
            assert all(column.region.contains_region(panel.region) for panel in panels), size
            drawn = [line for panel in panels for line in text_of(panel)]
            assert not any("…" in line for line in drawn)
            watts = [line.split()[-1] for line in drawn[1:]] if gpus > 2 else [line.split()[-2] for line in drawn[2::3]]
            assert [figure.isdecimal() for figure in watts] == [True] * gpus, size
            run_panel = pilot.app.screen.query_one(RunPanel)
            assert size[0] == 80 or (run_panel.region.height >= 3 and run_panel.region.bottom <= size[1])
            others = [panel for panel in pilot.app.screen.query(".pane") if panel.region.area and panel not in panels]
            assert not any(panel.region.intersection(other.region) for panel in panels for other in others)


@pytest.mark.parametrize(
    ("gpus", "title"), [(0, "engine at the end · CPU"), (1, "GPU 0 at the end · H200"), (3, "3 GPUs at the end · H200")]
)
async def test_readings_of_a_run_that_has_ended_are_not_shown_as_if_present(
    tmp_path: Path, gpus: int, title: str
) -> None:
    session = session_of(RunLink(record(tmp_path, until=5, gpus=gpus)))
    async with stage(session).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "completed" in line(pilot))
        column = pilot.app.screen.query_one(MachineColumn)
        await until(pilot, lambda: plain(gauges(column)[0].border_title).startswith(title))
        assert "peak" in all_text(gauges(column)[0]) and "peak" in line(pilot)


async def test_a_run_costs_what_its_gpus_cost_where_a_price_is_set(tmp_path: Path) -> None:
    session = session_of(fed(record(tmp_path, until=150, gpus=2, ending="going")))
    shown = stage(session)
    async with shown.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: "training" in line(pilot))
        assert "EUR" not in all_text(pilot.app.screen.query_one(NowPanel))
        shown.price = Price(360, "EUR")
        await until(pilot, lambda: "EUR  of about" in all_text(pilot.app.screen.query_one(NowPanel)))
        elapsed_s = session.state.elapsed_s
        assert elapsed_s is not None
        await until(pilot, lambda: f"{2 * elapsed_s / 10:.2f} EUR" in line(pilot))


async def test_a_run_that_has_ended_says_what_it_has_cost(tmp_path: Path) -> None:
    session = session_of(RunLink(record(tmp_path, until=5, steps=5, gpus=1)))
    shown = stage(session)
    shown.price = Price(360, "EUR")
    async with shown.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: " EUR" in card(pilot))
