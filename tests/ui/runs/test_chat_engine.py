"""The chat screen and its engine: loading a past run, and what it says when nobody answers."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from cockpit.protocol import events as ev
from cockpit.protocol.commands import AnyCommand
from cockpit.runs.link import ReplayLink
from cockpit.ui.runs.session import RunSession
from cockpit.ui.screens.chat import ChatScreen
from cockpit.ui.widgets.prompt_field import PromptField
from tests.recording import record
from tests.ui.engines import FakeLink
from tests.ui.stage import Stage, fed, recorded, session_of
from tests.ui.talking import TRIAL, Talking, keys, notice, replying, shown
from tests.ui.waiting import until


async def test_a_prompt_that_the_engine_refuses(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        refusal = ev.CommandAnswered(
            command_id=talking.asked[0].id, accepted=False, text="The [i]model[/i] was let go."
        )
        talking.link.events = [refusal]
        await until(pilot, lambda: shown(pilot)[-1] == "tuned  The [i]model[/i] was let go.")
        await pilot.press(*"again", "enter")
        assert [message["content"] for message in talking.asked[-1].messages] == ["again"]


async def test_an_engine_that_goes_away_in_the_midst_of_a_reply(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with replying(talking, "Arr, the") as pilot:
        talking.link.alive = "lost"
        await until(pilot, lambda: "cut off: the engine is gone" in shown(pilot)[-1])
        assert "F5 loads it" in notice(pilot)
        assert "load model" in keys(pilot) and "base/tuned" not in keys(pilot)


async def test_a_past_run_is_loaded_with_a_key(tmp_path: Path) -> None:
    talking = Talking(tmp_path, replies=True)
    talking.link.alive = "lost"
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: notice(pilot) == "The model is not loaded. F5 loads it.")
        await pilot.press("f5")
        await until(pilot, lambda: talking.started)
        assert "load model" not in keys(pilot) and not talking.asked
        talking.link.alive = "alive"
        talking.link.events = [
            ev.EngineStarted(pid=2, host="here", backend="unsloth"),
            ev.PhaseStarted(phase="importing"),
            ev.PhaseProgressed(phase="importing", done=3, total=6, unit="packages"),
        ]
        await until(pilot, lambda: "importing  3/6 packages" in notice(pilot))
        talking.link.events = [ev.PhaseStarted(phase="loading_model"), ev.PhaseStarted(phase="ready")]
        await until(pilot, lambda: notice(pilot) == "")
        await pilot.press("enter")
        assert len(talking.asked) == 1


def _comes_up(talking: Talking) -> None:
    """The engine that was started has loaded the model."""
    talking.link.alive = "alive"
    talking.link.events = [
        ev.EngineStarted(pid=2, host="here", backend="unsloth"),
        ev.PhaseStarted(phase="loading_model"),
        ev.PhaseStarted(phase="ready"),
    ]


def _subtitle(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one(PromptField).border_subtitle)


async def test_enter_loads_the_model_and_then_asks_whom_f3_has_chosen(tmp_path: Path) -> None:
    talking = Talking(tmp_path, replies=True)
    talking.link.alive = "lost"
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "tuned/both/base" in keys(pilot))
        await pilot.press("f3", "enter")
        await until(pilot, lambda: talking.started)
        assert not talking.asked and pilot.app.screen.query_one(PromptField).text == TRIAL
        assert _subtitle(pilot) == "sent once the model is loaded, esc keeps it"
        _comes_up(talking)
        await until(pilot, lambda: len(talking.asked) == 2)
        assert [(chat.adapter, chat.messages[-1]["content"]) for chat in talking.asked] == [
            (False, TRIAL),
            (True, TRIAL),
        ]
        assert pilot.app.screen.query_one(PromptField).text == "" and "enter sends" in _subtitle(pilot)


@pytest.mark.parametrize("key", ["escape", "x"])
async def test_a_prompt_that_waits_for_the_model_is_kept_back_by_escape_and_by_typing_on(
    tmp_path: Path, key: str
) -> None:
    talking = Talking(tmp_path, replies=True)
    talking.link.alive = "lost"
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "load model" in keys(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: talking.started and "stop reply" in keys(pilot))
        await pilot.press(key)
        await until(pilot, lambda: "enter sends" in _subtitle(pilot))
        _comes_up(talking)
        await until(pilot, lambda: notice(pilot) == "")
        assert not talking.asked and pilot.app.screen.query_one(PromptField).text


async def test_a_prompt_does_not_wait_for_a_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    talking = Talking(tmp_path, replies=True)
    talking.link.alive = "lost"
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "load model" in keys(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: talking.started)
        talking.started[0].process.status = 3
        await until(pilot, lambda: "status 3" in notice(pilot) and "enter sends" in _subtitle(pilot))
        assert pilot.app.screen.query_one(PromptField).text == TRIAL


async def test_an_engine_that_cannot_load_says_why(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    talking.link.alive = "lost"
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "load model" in keys(pilot))
        await pilot.press("f5")
        await until(pilot, lambda: talking.started)
        talking.started[0].process.status = 3
        await until(pilot, lambda: "status 3" in notice(pilot) and "F5 loads it" in notice(pilot))
        await pilot.press("f5")
        await until(pilot, lambda: len(talking.started) == 2)
        talking.link.alive = "alive"
        talking.link.events = [
            ev.EngineStarted(pid=2, host="here", backend="unsloth"),
            ev.PhaseStarted(phase="loading_model"),
            ev.EngineExited(reason="The adapter [b]does not[/b] fit the model."),
        ]
        await until(pilot, lambda: "The adapter [b]does not[/b] fit the model. F5" in notice(pilot))


async def test_a_model_that_was_let_go_says_why(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        talking.link.events = [ev.ModelUnloaded(reason="nobody has asked for 30 minutes")]
        await until(
            pilot, lambda: notice(pilot).startswith("The model is not loaded: nobody has asked for 30 minutes.")
        )


async def test_a_run_without_an_adapter_has_nothing_to_load(tmp_path: Path) -> None:
    link = fed(record(tmp_path, until=5, ending="failed"))
    async with Talking(tmp_path, link=link).app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "saved no adapter" in notice(pilot))
        assert "load model" not in keys(pilot)


async def test_a_recording_is_watched(tmp_path: Path) -> None:
    session = session_of(fed(record(tmp_path, steps=30, replies=True)))
    replayed = RunSession(ReplayLink(session.link.run, speed=1e9), session.recipe, session.document)
    async with Stage(lambda: ChatScreen(replayed)).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(shown(pilot)) == 5 and "tokens/s" in shown(pilot)[-1])
        assert "recording" in notice(pilot)
        assert not {"send", "base/tuned", "load model"} & keys(pilot)


async def test_a_prompt_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    class FullDisk(FakeLink):
        def send(self, command: AnyCommand) -> None:
            raise OSError("No space left on device")

    link = FullDisk(record(tmp_path, steps=30))
    link.events = recorded(link.run)
    talking = Talking(tmp_path, link=link)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        assert talking.app.said == ["The prompt could not be sent: No space left on device."]
        assert pilot.app.screen.query_one(PromptField).text == TRIAL
