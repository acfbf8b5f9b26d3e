"""cockpit send: what each word asks for, what the engine answers, and what there is to say where nobody does."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.protocol import commands as cmd
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import CommandAnswered
from cockpit.runs.folder import RunDir
from tests.recording import record

WORDS: dict[str, tuple[type[cmd.AnyCommand], dict[str, object]]] = {
    "pause": (cmd.Pause, {}),
    "resume": (cmd.Unpause, {}),
    "checkpoint": (cmd.SaveCheckpoint, {}),
    "evaluate": (cmd.Evaluate, {}),
    "sample": (cmd.Sample, {}),
    "lr=0.5": (cmd.ScaleLearningRate, {"factor": 0.5}),
    "steps=+1,000": (cmd.AddSteps, {"steps": 1000}),
    "stop": (cmd.Stop, {"save": True}),
    "drop": (cmd.Stop, {"save": False}),
    "unload": (cmd.Unload, {}),
}


@contextmanager
def answering(run: RunDir, text: Callable[[cmd.AnyCommand], str]) -> Iterator[list[cmd.AnyCommand]]:
    """In place of an engine: takes what is sent, and refuses it with `text`, accepts it where that is empty."""
    taken: list[cmd.AnyCommand] = []
    over, log = threading.Event(), EventWriter(run.events)

    def answer() -> None:
        while not over.is_set():
            for command in run.take_commands():
                assert not isinstance(command, cmd.UnreadableCommand)
                taken.append(command)
                why = text(command)
                log.append(CommandAnswered(command_id=command.id, accepted=not why, text=why))
            time.sleep(0.01)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield taken
    finally:
        over.set()
        thread.join()
        log.close()


def say(run: RunDir, what: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(cockpit, ["send", run.id, what])
    return found.exit_code, found.stdout, found.stderr


def going() -> RunDir:
    return record(runs_folder(), ending="going", steps=5, until=3)


@pytest.mark.parametrize("what", WORDS)
def test_each_word_is_its_command(what: str) -> None:
    run = going()
    with answering(run, lambda command: "") as taken:
        status, out, err = say(run, what)
    kind, fields = WORDS[what]
    (command,) = taken
    assert isinstance(command, kind)
    assert {name: getattr(command, name) for name in fields} == fields
    assert (status, err) == (0, "")
    assert out.strip().endswith(".") and len(out.splitlines()) == 1


def test_a_refusal_is_the_engines_own_sentence() -> None:
    run = going()
    with answering(run, lambda command: "No rows are held out to measure."):
        assert say(run, "evaluate") == (1, "", "No rows are held out to measure.\n")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("stopp", "'stopp' is nothing that a run can be asked for; give one of: pause, resume,"),
        ("lr", "'lr' is nothing that a run can be asked for"),
        ("lr=fast", "lr=fast names no factor; lr=0.5 halves the learning rate."),
        ("steps=100", "steps=100 does not say how many more; steps=+100 adds a hundred."),
        ("steps=+1.5", "steps=+1.5 does not say how many more"),
        ("pause=5", "'pause=5' is nothing that a run can be asked for"),
    ],
)
def test_what_is_no_request_is_refused_before_anything_is_sent(what: str, said: str) -> None:
    run = going()
    status, out, err = say(run, what)
    assert (status, out) == (2, "")
    assert err.startswith(said)
    assert list(run.commands.iterdir()) == []


def test_a_run_that_has_ended_is_not_asked() -> None:
    run = record(runs_folder(), ending="lost", steps=5)
    assert say(run, "pause") == (1, "", f"The run {run.id} has no engine any more that could be asked.\n")
    assert list(run.commands.iterdir()) == []


def test_an_engine_that_says_nothing_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["cockpit.cli.send"], "ANSWERS_WITHIN_S", 0.05)
    run = going()
    status, _, err = say(run, "pause")
    assert status == 1
    assert err.startswith(f"The engine of {run.id} has not answered within 0 s; it takes this up when it can.")
