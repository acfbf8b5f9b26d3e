"""A machine that may vanish: a run ends in a whole checkpoint in time, mid-step where it must, and says why; what the
recipe names for the end is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from transformers import Trainer

from cockpit.engine import notices
from cockpit.protocol.events import LogWritten, RunEnded, StopRequested
from cockpit.runs.checkpoint import checkpoints
from tests.engine.conftest import HostedRun
from tests.engine.training.gate import Gate

Hosted = Callable[..., HostedRun]
LONG = {"training__max_steps": 1000}


@pytest.fixture
def gate(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.open()


def ending(run: HostedRun) -> RunEnded:
    run.until_ended()
    (ended,) = run.all(RunEnded)
    return ended


def test_a_preemption_command_ends_the_run_in_a_whole_checkpoint(
    hosted: Hosted, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "ASK_EVERY_S", 0.0)
    run = hosted(made_here=True, lifecycle__preemption_command="test -e vanishes", **LONG)
    gate.open(3)
    run.until(lambda: run.state.step == 3)
    (run.run.path / "vanishes").touch()
    run.until(lambda: bool(run.all(StopRequested)))
    gate.open()
    ended = ending(run)
    assert (ended.outcome, ended.step) == ("stopped", 3)
    assert ended.reason == "The machine is about to vanish, says lifecycle.preemption_command."
    (left,) = checkpoints(run.run.checkpoints)
    assert (left.step, left.defect(), left.damage()) == (3, "", "")
    assert run.run.result is not None


def test_a_deadline_that_is_near_stops_before_anything_is_trained(hosted: Hosted, gate: Gate) -> None:
    run = hosted(lifecycle__deadline="00:00:01", **LONG)
    run.until(lambda: bool(run.all(StopRequested)))
    gate.open()
    ended = ending(run)
    assert (ended.outcome, ended.step) == ("stopped", 0)
    assert ended.reason.startswith("The time is up: lifecycle.deadline leaves ")


def test_a_step_that_would_take_longer_than_the_grace_is_left(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on, training_step = threading.Event(), threading.Event(), Trainer.training_step

    def slow(trainer: Any, *args: Any, **kwargs: Any) -> Any:
        loss = training_step(trainer, *args, **kwargs)
        if trainer.state.global_step == 3:
            entered.set()
            assert go_on.wait(60)
        return loss

    monkeypatch.setattr(Trainer, "training_step", slow)
    run = hosted(lifecycle__grace_s=1, training__gradient_accumulation_steps=4, **LONG)
    run.until(entered.is_set)
    run.engine.terminate("SIGUSR1")
    run.until(lambda: bool(run.all(StopRequested)))
    go_on.set()
    ended = ending(run)
    assert (ended.outcome, ended.step) == ("stopped", 3)
    assert ended.reason == "The engine was told to end (SIGUSR1)."
    (left,) = checkpoints(run.run.checkpoints)
    assert (left.step, left.defect(), left.damage()) == (3, "", "")
    assert any("The step in hand is left" in line.text for line in run.all(LogWritten))


def test_a_step_that_the_grace_is_enough_for_is_finished(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on, training_step = threading.Event(), threading.Event(), Trainer.training_step

    def held(trainer: Any, *args: Any, **kwargs: Any) -> Any:
        loss = training_step(trainer, *args, **kwargs)
        if trainer.state.global_step == 3:
            entered.set()
            assert go_on.wait(60)
        return loss

    monkeypatch.setattr(Trainer, "training_step", held)
    run = hosted(lifecycle__grace_s=600, training__gradient_accumulation_steps=4, **LONG)
    run.until(entered.is_set)
    run.engine.terminate()
    run.until(lambda: bool(run.all(StopRequested)))
    go_on.set()
    assert ending(run).step == 4


@pytest.mark.parametrize("made_here", [True, False])
def test_the_command_for_the_end_knows_the_run(hosted: Hosted, made_here: bool) -> None:
    run = hosted(
        made_here=made_here, training__max_steps=3, lifecycle__on_end="env | grep ^COCKPIT_ | sort > facts.txt; exit 3"
    )
    run.until_ended()
    facts = run.run.path / "facts.txt"
    if not made_here:
        run.until(lambda: any("on_end is not run" in line.text for line in run.all(LogWritten)))
        assert not facts.exists()
        return
    run.until(lambda: any("on_end has ended with status 3" in line.text for line in run.all(LogWritten)))
    told = dict(line.split("=", 1) for line in facts.read_text().splitlines())
    assert (told["COCKPIT_OUTCOME"], told["COCKPIT_STEP"], told["COCKPIT_TOTAL_STEPS"]) == ("completed", "3", "3")
    assert told["COCKPIT_RUN"] == run.run.id and told["COCKPIT_FOLDER"] == str(run.run.path)
    assert told["COCKPIT_RESULT"] == str(run.run.adapter)
    assert float(told["COCKPIT_LOSS"]) > 0
