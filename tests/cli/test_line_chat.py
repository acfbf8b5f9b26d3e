"""A chat line by line: prompts, commands, Ctrl-C and Ctrl-D, history; stdout has replies only."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.protocol.commands import AnyCommand, Chat, ChatBoth, StopReply
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import ReplyEnded, ReplyGrew, ReplyStarted
from cockpit.runs.folder import RunDir
from tests.recording import record


class Lines:
    """A terminal on which these lines are typed; where a line is a function, it is called in its place."""

    def __init__(self, lines: list[str | Callable[[], None]]) -> None:
        self._lines = lines

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        line = self._lines.pop(0) if self._lines else ""
        if callable(line):
            line()
            return "\n"
        return f"{line}\n" if line else ""


class Talk:
    """A completed run whose engine answers `tuned N` and `base N`; `sent` are its commands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = record(runs_folder(), ending="completed")
        self.replies = EventWriter(self.run.chat, attempt=1)
        self.sent: list[AnyCommand] = []
        self.waits_for_stop = False
        monkeypatch.setattr(RunDir, "send", lambda _, command: self.take(command))
        monkeypatch.setattr(RunDir, "liveness", lambda _: "alive")

    def take(self, command: AnyCommand) -> None:
        self.sent.append(command)
        if isinstance(command, StopReply):
            self._end(command.chat_id, "stopped")
        chats = [command] if isinstance(command, Chat) else command.chats if isinstance(command, ChatBoth) else []
        for chat in chats:
            number = len(self.asked)
            prompt = chat.messages[-1]["content"]
            self.replies.append(ReplyStarted(command_id=chat.id, prompt=prompt, adapter=chat.adapter))
            text = f"{'tuned' if chat.adapter else 'base'} {number}"
            self.replies.append(ReplyGrew(command_id=chat.id, text=text, tokens=1))
            if not self.waits_for_stop:
                self._end(chat.id, "end_of_turn")
        if chats and self.waits_for_stop:
            raise KeyboardInterrupt  # as who presses Ctrl-C once the reply has begun

    def _end(self, id_: str, how: str) -> None:
        figures = {"prompt_tokens": 1, "new_tokens": 1, "duration_s": 1.0, "first_token_s": 0.1}
        self.replies.append(ReplyEnded(command_id=id_, end=how, **figures))  # type: ignore[arg-type]

    @property
    def asked(self) -> list[Chat | ChatBoth]:
        return [command for command in self.sent if isinstance(command, Chat | ChatBoth)]

    def type(self, *lines: str | Callable[[], None], options: tuple[str, ...] = ()) -> tuple[str, str]:
        """What stands on stdout and stderr then."""
        typed = Lines(list(lines))
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            for name, stream in {"stdin": typed, "stdout": out, "stderr": err}.items():
                patch.setattr(sys, name, stream)
            cockpit(["chat", "last", *options], standalone_mode=False)
        return out.getvalue(), err.getvalue()


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Talk:
    return Talk(monkeypatch)


def contents(command: Chat) -> list[str]:
    return [message["content"] for message in command.messages]


def test_what_was_said_goes_along_and_stdout_has_the_replies_alone(talk: Talk) -> None:
    out, err = talk.type("one", "two\\", "lines", "/new", "three")
    assert out == "tuned 1\ntuned 2\ntuned 3\n"
    first, second, third = talk.asked
    assert isinstance(first, Chat) and isinstance(second, Chat) and isinstance(third, Chat)
    assert (contents(first), contents(second)) == (["one"], ["one", "tuned 1", "two\nlines"])
    assert contents(third) == ["three"]
    assert "Ctrl-D ends the chat" in err and "A new conversation." in err


def test_both_answer_and_each_remembers_its_own(talk: Talk) -> None:
    out, _ = talk.type("/both", "one", "two", "/tuned", "/again")
    assert out == "base:\nbase 1\n\ntuned:\ntuned 1\nbase:\nbase 2\n\ntuned:\ntuned 2\ntuned 3\n"
    both = talk.asked[1]
    assert isinstance(both, ChatBoth)
    assert [contents(chat) for chat in both.chats] == [["one", "base 1", "two"], ["one", "tuned 1", "two"]]
    again = talk.asked[2]
    assert isinstance(again, Chat) and contents(again) == ["one", "tuned 1", "two"]


def test_settings_are_checked_and_used(talk: Talk) -> None:
    _, err = talk.type(
        "/set temperature 9", "/set heat 1", "/set do_sample on", "/set seed 7", "/system Be brief.", "hi"
    )
    assert "temperature: 9 cannot be; give a number above 0 and up to 5." in err
    assert "There is no heat to set; there are enable_thinking, do_sample" in err
    (command,) = talk.asked
    assert isinstance(command, Chat)
    assert (command.do_sample, command.seed, contents(command)) == (True, 7, ["Be brief.", "hi"])


def test_ctrl_c_stops_the_reply_and_the_chat_goes_on(talk: Talk) -> None:
    def let_go() -> None:
        talk.waits_for_stop = False

    talk.waits_for_stop = True
    out, _ = talk.type("one", let_go, "two")
    assert out == "tuned 1\ntuned 2\n"
    stop = talk.sent[1]
    first = talk.asked[0]
    assert isinstance(stop, StopReply) and stop.chat_id == first.id


def test_ctrl_c_at_the_prompt_ends_nothing(talk: Talk) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    out, err = talk.type(interrupt, "one")
    assert out == "tuned 1\n" and "Ctrl-D ends the chat." in err


def test_odd_commands_are_told(talk: Talk) -> None:
    _, err = talk.type("/again", "/frobnicate", "/image nothing.png", "/save", "/help", "/quit", "never asked")
    for words in ("Nothing has been asked yet.", "There is no command /frobnicate", "There is no picture nothing.png.",
                  "Name a file", "/system WORDS"):  # fmt: skip
        assert words in err
    assert not talk.asked


def test_a_conversation_is_saved_as_markdown_and_as_rows_to_train_on(talk: Talk, tmp_path: Path) -> None:
    talk.type("/system Be brief.", "/both", "one", f"/save {tmp_path / 'a.md'}", f"/save {tmp_path / 'a.jsonl'}")
    text = (tmp_path / "a.md").read_text()
    assert "**you**\n\none" in text and "**base**\n\nbase 1" in text and "**tuned**\n\ntuned 1" in text
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [row["by"] for row in rows] == ["tuned", "base"]
    assert rows[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "tuned 1"},
    ]
