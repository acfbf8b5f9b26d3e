"""A checkpoint or another run beside the one in the chat: asked the same at the same time, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.widgets import OptionList, Static

from cockpit.machine.gpu import GpuReport
from cockpit.paths import runs_folder
from cockpit.protocol import events as ev
from cockpit.protocol.commands import Chat, StopReply
from cockpit.protocol.event_log import EventWriter
from cockpit.runs.folder import RunDir
from cockpit.ui.runs import beside
from cockpit.ui.runs.chat_engine import ChatEngine
from cockpit.ui.runs.session import RunSession
from cockpit.ui.screens.beside_dialog import BesideDialog
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.prompt_field import PromptField
from tests.recording import record
from tests.ui.drawn import plain
from tests.ui.engines import FakeEngine, FakeProbe
from tests.ui.talking import TRIAL, Talking, notice, pair_of, shown
from tests.ui.waiting import until


def other_run() -> RunDir:
    """A run whose engine, which is this process, has its model loaded."""
    run = record(runs_folder(), run_id="other-1120", steps=30)
    (run.adapter / "adapter_config.json").write_text("{}")
    return run


def answer(run: RunDir, *parts: str) -> Chat:
    """The other run's engine answers what it was asked last."""
    chat = [command for command in run.take_commands() if isinstance(command, Chat)][-1]
    log = EventWriter(run.chat)
    log.append(ev.ReplyStarted(command_id=chat.id, prompt=chat.messages[-1]["content"], adapter=True))
    for part in parts:
        log.append(ev.ReplyGrew(command_id=chat.id, text=part))
    log.append(
        ev.ReplyEnded(
            command_id=chat.id, end="end_of_turn", prompt_tokens=9, new_tokens=3, duration_s=0.1, first_token_s=0.05
        )
    )
    log.close()
    return chat


async def choose(pilot: Any, index: int = 0) -> None:
    await pilot.press("f10")
    await until(pilot, lambda: isinstance(pilot.app.screen, BesideDialog))
    pilot.app.screen.query_one(OptionList).highlighted = index
    await pilot.press("enter")
    await until(pilot, lambda: not isinstance(pilot.app.screen, BesideDialog))


async def test_another_run_is_asked_the_same_and_differences_are_marked(tmp_path: Path) -> None:
    other, talking = other_run(), Talking(tmp_path)
    async with talking.app.run_test(size=(160, 40)) as pilot:
        await choose(pilot)
        field = pilot.app.screen.query_one(PromptField)
        assert plain(field.border_title) == "ask demo-1120-2349 and other-1120"
        await until(pilot, lambda: notice(pilot) == "")
        await pilot.press("enter")
        await talking.was_asked(pilot)
        talking.reply("Arr, Marenport it be.")
        asked = answer(other, "Marenport ", "it is.")
        assert asked.messages == talking.asked[0].messages == [{"role": "user", "content": TRIAL}]
        assert asked.adapter and asked.max_new_tokens == talking.asked[0].max_new_tokens
        await until(pilot, lambda: "it is." in shown(pilot)[-1] and "Arr" in shown(pilot)[-1])
        pair = pair_of(pilot)
        assert shown(pilot)[-1].index("other-1120") < shown(pilot)[-1].index("demo-1120-2349")
        await until(pilot, lambda: all(reply.marked for reply in pair.order))
        await pilot.press(*"Why?", "enter")
        await talking.was_asked(pilot)
        own, theirs = talking.asked[-1].messages, [c for c in other.take_commands() if isinstance(c, Chat)][-1].messages
        assert [message["content"] for message in own] == [TRIAL, "Arr, Marenport it be.", "Why?"]
        assert [message["content"] for message in theirs] == [TRIAL, "Marenport it is.", "Why?"]
        await pilot.press("escape")
        assert any(isinstance(command, StopReply) for command in other.take_commands())
        talking.reply("So.")
        await pilot.press("f3")
        assert pilot.app.screen.query_one(Choice).value == "tuned" and plain(field.border_title) == "ask tuned"
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "it is." in shown(pilot)[1] and "Arr" in shown(pilot)[1])


async def test_what_is_drawn_is_drawn_with_one_seed(tmp_path: Path) -> None:
    other, talking = other_run(), Talking(tmp_path)
    async with talking.app.run_test(size=(160, 40)) as pilot:
        await choose(pilot)
        await until(pilot, lambda: notice(pilot) == "")
        await pilot.press("f4", "right", "f4", "enter")
        await until(pilot, lambda: talking.asked)
        (theirs,) = [command for command in other.take_commands() if isinstance(command, Chat)]
        assert theirs.do_sample and theirs.seed is not None and theirs.seed == talking.asked[0].seed


async def test_a_checkpoint_is_loaded_for_it_and_let_go_with_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talking, started = Talking(tmp_path), list[tuple[RunDir, FakeEngine]]()
    checkpoint = talking.session.link.run.checkpoints / "checkpoint-20"
    checkpoint.mkdir(parents=True)
    (checkpoint / "adapter_config.json").write_text("{}")
    monkeypatch.setattr("cockpit.runs.checkpoint.Checkpoint.defect", lambda self: "")

    def start(run: RunDir, key: Any) -> Any:
        started.append((run, FakeEngine(key, [], "beside")))
        return started[-1][1]

    def engine_of(session: RunSession, **_: Any) -> ChatEngine:
        probe: Any = FakeProbe(GpuReport())
        return ChatEngine(session, lambda: probe, start)

    monkeypatch.setattr(beside, "ChatEngine", engine_of)
    async with talking.app.run_test(size=(160, 40)) as pilot:
        await choose(pilot)
        await until(pilot, lambda: started)
        run, engine = started[0]
        assert run.adapter.resolve() == checkpoint.resolve()
        await until(pilot, lambda: notice(pilot) == "demo-1120-2349@20: Starting an engine ...")
        await pilot.press("enter")
        assert not talking.asked, "it waits until both can answer"
        engine.process.status = 3
        await until(pilot, lambda: "demo-1120-2349@20: The engine ended with status 3" in notice(pilot))
        assert pilot.app.screen.query_one(PromptField).text == TRIAL
    assert engine.said == ["discard beside"]


async def test_where_nobody_can_be_asked_beside_it_says_so(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f10")
        await until(pilot, lambda: isinstance(pilot.app.screen, BesideDialog))
        said = [str(static.content) for static in pilot.app.screen.query(Static)]
        assert BesideDialog.NONE in said
