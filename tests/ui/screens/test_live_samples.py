"""Samples on the live screen: beside the log where there is room, behind a tab where there is not."""

from pathlib import Path

from textual.widgets import Static

from cockpit.protocol import events as ev
from cockpit.ui.widgets.log_pane import LogPane
from cockpit.ui.widgets.sample_panel import SamplePanel
from tests.recording import record
from tests.ui.drawn import all_text, plain
from tests.ui.live_screen import line, stage
from tests.ui.stage import fed, session_of
from tests.ui.waiting import resized, until


async def test_samples_have_their_place_at_every_size(tmp_path: Path) -> None:
    link = fed(record(tmp_path, until=20, ending="going"))
    async with stage(session_of(link)).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "training" in line(pilot))
        panel, log = pilot.app.screen.query_one(SamplePanel), pilot.app.screen.query_one(LogPane)
        assert not panel.region.area and log.region.width == 120
        for step in (0, 10):
            link.events.append(
                ev.SampleAnswered(
                    step=step,
                    index=0,
                    prompt="Who?",
                    text=f"Arr, {step}",
                    end="end_of_turn",
                    new_tokens=3,
                    duration_s=0.1,
                )
            )
        await until(pilot, lambda: panel.region.area and "Arr, 10" in all_text(panel.query_one(Static)))
        assert panel.region.height >= 8 and panel.region.right <= log.region.x
        await pilot.press("comma")
        assert plain(panel.border_title) == "samples · before training"
        await resized(pilot, 80, 24)
        await until(pilot, lambda: not panel.region.area)
        await pilot.press("5", "full_stop")
        await until(pilot, lambda: panel.region.height >= 8 and not log.region.area)
        assert "Arr, 10" in all_text(panel.query_one(Static))
