"""cockpit chat with an engine that another command has started, and ends before it has answered this one."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.launch import engines
from cockpit.launch.engines import EngineKey, StartedEngine
from cockpit.paths import runs_folder
from cockpit.protocol import events as ev
from cockpit.protocol.commands import AnyCommand
from cockpit.protocol.event_log import EventWriter
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from tests.recording import record
from tests.ui.engines import FakeProcess

REFUSED = "The model was unloaded before it could answer."


@pytest.mark.parametrize("how", ["refused", "stopped", "cut"])
def test_another_engine_is_asked_where_nothing_was_answered_yet(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = record(runs_folder(), ending="completed")
    events, replies = EventWriter(run.events, attempt=1), EventWriter(run.chat, attempt=1)
    asked: list[str] = []
    liveness = "alive"

    def reply(command: AnyCommand, text: str, end: ev.ReplyEnd) -> None:
        if text:
            replies.append(ev.ReplyGrew(command_id=command.id, text=text))
        tokens = {"command_id": command.id, "prompt_tokens": 3, "new_tokens": len(text)}
        replies.append(ev.ReplyEnded(end=end, duration_s=1.0, first_token_s=0.5, **tokens))  # type: ignore[arg-type]

    def take(to: RunDir, command: AnyCommand) -> None:
        nonlocal liveness
        asked.append(command.id)
        if len(asked) == 2:
            reply(command, "Arr!", "end_of_turn")
            return
        if how == "refused":
            events.append(ev.CommandAnswered(command_id=command.id, accepted=False, text=REFUSED))
        else:
            reply(command, "Ar" if how == "cut" else "", "stopped")
        events.append(ev.EngineExited(reason="The engine was told to end (SIGTERM)."))
        liveness = "lost"

    def start(to: RunDir, key: EngineKey, base: str | None) -> StartedEngine:
        process = FakeProcess()
        events.append(ev.EngineStarted(pid=process.pid, host="here", backend=key.backend))
        events.append(ev.PhaseStarted(phase="ready"))
        return StartedEngine(key, RunLink(to), process)

    monkeypatch.setattr(RunDir, "send", take)
    monkeypatch.setattr(RunDir, "liveness", lambda self: liveness)
    monkeypatch.setattr(engines, "start_chat_engine", start)
    said = CliRunner().invoke(cockpit, ["chat", "last", "-p", "Who are you?"])
    if how == "cut":
        assert (said.exit_code, said.stdout) == (1, "Ar\n")
        assert said.stderr == "The engine was ended before it had answered.\n"
    else:
        assert (said.exit_code, said.stdout) == (0, "Arr!\n"), said.stderr
        assert len(set(asked)) == 2
