"""What cockpit chat reads and writes: stdin and pipes, both at once, JSON, failures; nothing but replies on stdout."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.protocol.commands import AnyCommand, Chat, ChatBoth, decode, encode
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import PhaseStarted, ReplyEnd, ReplyEnded, ReplyGrew
from cockpit.runs.folder import RunDir
from tests.recording import record

REPLIES = {True: ("Arr, ", "matey!"), False: ("Good ", "day.")}


class Answering:
    """A completed run whose engine answers at once, both in turn; `sent` are the commands that it was sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = record(runs_folder(), ending="completed")
        self.replies = EventWriter(self.run.chat, attempt=1)
        self.sent: list[Chat | ChatBoth] = []
        self.end: ReplyEnd = "end_of_turn"
        monkeypatch.setattr(RunDir, "send", lambda _, command: self.answer(command))
        monkeypatch.setattr(RunDir, "liveness", lambda _: "alive")

    def answer(self, command: AnyCommand) -> None:
        read = decode(encode(command))
        assert isinstance(read, Chat | ChatBoth)
        self.sent.append(read)
        chats = read.chats if isinstance(read, ChatBoth) else [read]
        for at in range(2):
            for chat in chats:
                thinking = "I think." if chat.enable_thinking and at == 0 else ""
                self.replies.append(ReplyGrew(command_id=chat.id, text=REPLIES[chat.adapter][at], thinking=thinking))
        for chat in reversed(chats):
            failed = self.end == "failed"
            self.replies.append(
                ReplyEnded(
                    command_id=chat.id, end=self.end, prompt_tokens=3, new_tokens=0 if failed else 2, duration_s=0.5,
                    first_token_s=0.1, reason="Memory ran out." if failed else "",
                )
            )  # fmt: skip


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Answering:
    return Answering(monkeypatch)


def chat(*arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(cockpit, ["chat", "last", *arguments], input=stdin)


@pytest.mark.parametrize("arguments", [(), ("-p", "-")])
def test_stdin_is_one_prompt(engine: Answering, arguments: tuple[str, ...]) -> None:
    said = chat(*arguments, stdin="Sum this up:\n\none\ntwo\n")
    assert (said.exit_code, said.stdout, said.stderr) == (0, "Arr, matey!\n", "")
    (command,) = engine.sent
    assert isinstance(command, Chat) and command.messages[-1]["content"] == "Sum this up:\n\none\ntwo"


def test_with_a_prompt_stdin_is_left_alone(engine: Answering) -> None:
    assert chat("-p", "Hi", stdin="not this").exit_code == 0
    assert isinstance(engine.sent[0], Chat) and engine.sent[0].messages[-1]["content"] == "Hi"


@pytest.mark.parametrize(
    ("stdin", "why"),
    [
        ("", "The prompt is empty; ask something with -p, or on stdin."),
        (b"\xff\xfe", "What stdin has is no UTF-8 text."),
    ],
)
def test_what_stdin_may_not_be(engine: Answering, stdin: str | bytes, why: str) -> None:
    said = chat(stdin=stdin)
    assert (said.exit_code, said.stdout, said.stderr.strip()) == (2, "", why)


def test_both_are_asked_at_once_and_printed_one_after_the_other(engine: Answering) -> None:
    said = chat("-p", "Hi", "--both", "--thinking")
    assert (said.exit_code, said.stdout) == (0, "base:\nGood day.\n\ntuned:\nArr, matey!\n")
    assert said.stderr == "I think.\n\n" * 2
    (command,) = engine.sent
    assert isinstance(command, ChatBoth) and [one.adapter for one in command.chats] == [False, True]


def test_json_is_one_object_on_one_line(engine: Answering) -> None:
    said = chat("-p", "Hi", "--both", "--json")
    assert (said.exit_code, said.stderr) == (0, "")
    (line,) = said.stdout.splitlines()
    document = json.loads(line)
    assert (document["target"], document["prompt"]) == ("last", "Hi")
    assert [(one["by"], one["text"], one["end"]) for one in document["replies"]] == [
        ("base", "Good day.", "end_of_turn"),
        ("tuned", "Arr, matey!", "end_of_turn"),
    ]
    assert document["replies"][0]["first_token_s"] == 0.1


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_failed_reply_ends_with_1(engine: Answering, options: tuple[str, ...]) -> None:
    engine.end = "failed"
    said = chat("-p", "Hi", *options)
    assert said.exit_code == 1
    if options:
        assert json.loads(said.stdout)["replies"][0]["reason"] == "Memory ran out."
    else:
        assert said.stderr == "Memory ran out.\n"


def test_what_is_odd_about_the_model_is_said_on_stderr(engine: Answering) -> None:
    EventWriter(engine.run.events, attempt=1).append(PhaseStarted(phase="ready", detail="No token ends a turn."))
    said = chat("-p", "Hi")
    assert (said.stdout, said.stderr) == ("Arr, matey!\n", "No token ends a turn.\n")


def test_escape_sequences_of_a_reply_do_not_reach_the_terminal(
    engine: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REPLIES, True, ("a\x1b[3", "1mb\x1b]0;title\x07"))
    assert chat("-p", "Hi").stdout == "ab\n"
