"""Two runs or checkpoints are asked the same: each under its name, with the same seed."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.protocol.commands import AnyCommand, Chat
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import ReplyEnded, ReplyGrew
from cockpit.runs.folder import RunDir
from tests.recording import record


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Chat]]:
    """What two completed runs were asked, whose engines answer with their names at once."""
    runs = {name: record(runs_folder(), run_id=name, ending="completed") for name in ("one", "two")}
    replies = {name: EventWriter(run.chat, attempt=1) for name, run in runs.items()}
    asked: list[tuple[str, Chat]] = []

    def answer(to: RunDir, command: AnyCommand) -> None:
        assert isinstance(command, Chat)
        asked.append((to.id, command))
        replies[to.id].append(ReplyGrew(command_id=command.id, text=f"I am {to.id}."))
        figures = {"prompt_tokens": 1, "new_tokens": 4, "duration_s": 1.0, "first_token_s": 0.1}
        replies[to.id].append(ReplyEnded(command_id=command.id, end="end_of_turn", **figures))  # type: ignore[arg-type]

    monkeypatch.setattr(RunDir, "send", answer)
    monkeypatch.setattr(RunDir, "liveness", lambda _: "alive")
    return asked


def chat(*arguments: str) -> tuple[int, str, str]:
    said = CliRunner().invoke(cockpit, ["chat", "one", *arguments])
    return said.exit_code, said.stdout, said.stderr


def test_each_answers_under_its_name(sent: list[tuple[str, Chat]]) -> None:
    assert chat("--beside", "two", "-p", "Who?") == (0, "one:\nI am one.\n\ntwo:\nI am two.\n", "")
    (first, asked), (second, other) = sent
    assert (first, second) == ("one", "two")
    assert asked.messages == other.messages and asked.seed == other.seed is not None
    assert asked.adapter and other.adapter


def test_as_json_each_has_a_line(sent: list[tuple[str, Chat]]) -> None:
    status, out, _ = chat("--beside", "two", "-p", "Who?", "--json", "--seed", "7")
    documents = [json.loads(line) for line in out.splitlines()]
    assert [(one["target"], one["replies"][0]["text"]) for one in documents] == [
        ("one", "I am one."),
        ("two", "I am two."),
    ]
    assert status == 0 and {command.seed for _, command in sent} == {7}


def test_what_does_not_go_together(sent: list[tuple[str, Chat]]) -> None:
    why = "--beside is for two that were tuned; leave --base and --both out.\n"
    assert chat("--beside", "two", "--both", "-p", "Who?") == (2, "", why)
    assert chat("--beside", "nothing", "-p", "Who?")[0] == 2
    assert not sent
