"""What cockpit chat is told about sampling reaches the engine in its Chat command; the rest is the preset's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.protocol.commands import AnyCommand, Chat, decode, encode
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import ReplyEnded, ReplyGrew
from cockpit.runs.folder import RunDir
from tests.recording import record

Ask = Callable[..., Chat]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Asks a completed run with these options, whose engine answers at once; gives the command that it was sent."""
    run = record(runs_folder(), ending="completed")
    replies = EventWriter(run.chat, attempt=1)
    sent: list[Chat] = []

    def answer(to: RunDir, command: AnyCommand) -> None:
        read = decode(encode(command))
        assert to == run and isinstance(read, Chat)
        sent.append(read)
        replies.append(ReplyGrew(command_id=read.id, text="Arr!"))
        replies.append(
            ReplyEnded(
                command_id=read.id, end="end_of_turn", prompt_tokens=3, new_tokens=1, duration_s=1.0, first_token_s=0.5
            )
        )

    monkeypatch.setattr(RunDir, "send", answer)
    monkeypatch.setattr(RunDir, "liveness", lambda self: "alive")

    def with_options(*options: str) -> Chat:
        result = CliRunner().invoke(cockpit, ["chat", "last", "-p", "Who are you?", *options])
        assert (result.exit_code, result.stdout) == (0, "Arr!\n"), result.stderr
        return sent.pop()

    return with_options


def test_without_options_the_first_preset_says_how(ask: Ask) -> None:
    command = ask()
    assert command.messages == [{"role": "user", "content": "Who are you?"}]
    assert (command.do_sample, command.max_new_tokens, command.adapter) == (False, 64, True)
    assert command.repetition_penalty is None


def test_each_option_reaches_the_command(ask: Ask) -> None:
    options = ("--temperature", "0.3", "--max-tokens", "7", "--repetition-penalty", "1.2", "--base", "--thinking")
    command = ask("--system", "You are a pirate.", *options, "--top-k", "3", "--min-p", "0.1", "--seed", "5")
    assert command.messages == [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "Who are you?"},
    ]
    assert (command.temperature, command.max_new_tokens, command.repetition_penalty) == (0.3, 7, 1.2)
    assert command.adapter is False and command.enable_thinking
    assert (command.top_k, command.min_p, command.seed) == (3, 0.1, 5)
    assert command.do_sample is True  # a temperature is for tokens that are drawn


def test_a_preset_is_named(ask: Ask) -> None:
    assert ask("--preset", "lively").temperature == 0.9
    result = CliRunner().invoke(cockpit, ["chat", "last", "-p", "Hi", "--preset", "calm"])
    assert (result.exit_code, result.stderr.strip()) == (
        2,
        "--preset: there is no preset calm; the recipe has greedy, lively.",
    )


def test_greedy_is_told(ask: Ask) -> None:
    assert ask("--greedy", "--temperature", "0.3").do_sample is False


@pytest.mark.parametrize("option", ["--temperature", "--repetition-penalty"])
def test_what_is_not_above_0_is_refused(option: str) -> None:
    result = CliRunner().invoke(cockpit, ["chat", "last", "-p", "Hi", option, "0"])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{option}: 0.0 cannot be; give a number above 0 and up to 5")
