"""A run that cockpit did not start, on the live screen."""

from pathlib import Path

from cockpit.ui.runs.watched import WatchedSession
from cockpit.ui.widgets.now_panel import NowPanel
from cockpit.ui.widgets.phase_bar import PhaseBar
from cockpit.ui.widgets.run_panel import RunPanel
from cockpit.ui.widgets.run_schedule import RunSchedule
from cockpit.watching.link import WatchLink
from tests.ui.live_screen import card, keys, line, stage
from tests.ui.waiting import until
from tests.watching.trainers import EventWriter, printed


async def test_it_shows_what_its_files_tell_and_nothing_beyond(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "their-run" / "events.out.tfevents.1")
    writer.settings('{"max_steps": 40, "optim": "adamw_8bit"}')
    for step in (10, 20):
        writer.log(step, 3.0 * step, {"train/loss": 4.0 - step / 10, "train/learning_rate": 1e-4})
    async with stage(WatchedSession(WatchLink(tmp_path / "their-run"))).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "2.000" in line(pilot))
        assert " ".join(line(pilot).split()) == "their-run ● training step 20/40 50 % loss 2.000 ETA –"
        now = "\n".join(one.plain for one in pilot.app.screen.query_one(NowPanel).lines())
        figures = [row.split()[:3] for row in now.split("\n")]
        assert ["step", "time", "3.00"] in figures
        assert ["grad", "norm", "–"] in figures and ["tokens/s", "–"] in figures
        facts = pilot.app.screen.query_one(RunPanel)
        assert [label for label, _ in facts._facts] == ["optimizer", "read from"]
        assert pilot.app.screen.query_one(RunSchedule).border_title == "learning rate"
        assert not pilot.app.screen.query_one(PhaseBar).display
        offered = keys(pilot)
        for key in ("s", "p", "c", "e", "x", "r", "d", "f"):
            assert key not in offered, (key, offered[key])


async def test_its_end_is_told_without_a_way_to_go_on(tmp_path: Path) -> None:
    session = WatchedSession(WatchLink(printed(tmp_path, "failed.log")))
    async with stage(session).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "failed" in card(pilot))
        assert card(pilot).split("\n") == [
            "✗ failed after step 0", "RuntimeError: 0 active drivers ([]). There should only be one."
        ]  # fmt: skip
        assert "r" not in keys(pilot) and "e" not in keys(pilot)
