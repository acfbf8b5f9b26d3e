"""The chat with a run that trains: asked between two steps, and told what that costs the training."""

from __future__ import annotations

from pathlib import Path

from cockpit.protocol import events as ev
from cockpit.ui.screens.live import LiveScreen
from tests.recording import record
from tests.ui.stage import Stage, fed, session_of
from tests.ui.talking import TRIAL, Talking, keys, notice, shown
from tests.ui.waiting import until

TRAINS = "It is training: a question is answered between two steps, and training waits."


async def test_a_run_that_trains_is_asked_and_its_cost_is_shown(tmp_path: Path) -> None:
    talking = Talking(tmp_path, link=fed(record(tmp_path, until=9, ending="going")))
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: notice(pilot) == TRAINS)
        assert "load model" not in keys(pilot)
        await pilot.press("enter")
        (chat,) = talking.asked
        assert chat.messages[-1]["content"] == TRIAL
        talking.reply("Arr!")
        await until(pilot, lambda: "Arr!" in shown(pilot)[-1])
        await until(pilot, lambda: notice(pilot) == f"{TRAINS} It has waited 0.5 s so far.")
        talking.link.events.append(ev.RunEnded(outcome="completed", step=9))
        talking.link.events.append(ev.PhaseStarted(phase="ready"))
        await until(pilot, lambda: notice(pilot) == "")
        assert talking.session.state.made_wait_s == 0.5


async def test_the_live_screen_leads_there(tmp_path: Path) -> None:
    session = session_of(fed(record(tmp_path, until=9, ending="going")))
    app = Stage(lambda: LiveScreen(session))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: session.can_ask)
        await pilot.press("t")
        await until(pilot, lambda: app.asked == ["chat"])
