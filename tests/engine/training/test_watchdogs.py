"""Watchdogs of real runs: each is provoked, tells once, and does what the recipe says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cockpit.protocol.commands import Unpause
from cockpit.protocol.events import CheckpointSaved, StopRequested, WatchdogCleared, WatchdogFired
from cockpit.runs.link import new_command_id
from cockpit.runs.sentences import log_line
from tests.engine import tiny
from tests.engine.conftest import HostedRun
from tests.engine.training import faults

Hosted = Callable[..., HostedRun]
LONG = {"training__max_steps": 200, "training__learning_rate": 1e-4, "data__eval_rows": 0}


def names(run: HostedRun) -> list[str]:
    return [event.watchdog for event in run.all(WatchdogFired)]


def test_nine_faults_of_a_run_are_told_one_after_the_other(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    faults.be_impatient(monkeypatch)
    faults.time_steps(monkeypatch, slow=range(90, 110))
    faults.freeze_rate(monkeypatch, range(60, 72))
    faults.mask_all(monkeypatch, range(80, 84))
    faults.spoil_steps(
        monkeypatch,
        {
            range(40, 41): faults.steep,
            range(120, 140): faults.tripled,
            range(160, 161): faults.hanging(monkeypatch),
            range(175, 179): faults.nothing,
            range(190, 192): faults.no_number,
        },
    )
    run = hosted(**LONG, watchdogs__loss_nan="warn")
    run.until_ended()
    assert run.state.ended is not None and run.state.ended.outcome == "completed"
    fired = {event.watchdog: event for event in run.all(WatchdogFired)}
    assert len(fired) == len(names(run)), "each tells once"
    by = {name: event.step for name, event in fired.items()}
    assert by.pop("loss_diverging") in range(123, 130)
    assert by == {
        "gradient_spike": 40,
        "learning_rate_still": 69,
        "nothing_trained": 82,
        "throughput_fallen": 113,  # where the first block of 16 steps ends that has more slow ones than others
        "stalled": 159,
        "loss_zero": 177,
        "gradient_zero": 177,
        "loss_nan": 190,
    }
    cleared = {event.watchdog: event.step for event in run.all(WatchdogCleared)}
    assert cleared["stalled"] == 160 and cleared["gradient_spike"] == 72
    assert set(run.state.alarms) == set(fired) - set(cleared)
    for event in fired.values():
        assert event.action == "warn" and event.rule and event.advice
        line = log_line(event)
        assert line is not None and line.level == "warning"
        assert line.text == f"Watchdog {event.watchdog}: {event.finding} {event.advice}"


def test_a_loss_that_is_no_number_stops_the_run_and_saves_nothing_of_it(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.spoil_steps(monkeypatch, {range(7, 100): faults.no_number})
    run = hosted(training__max_steps=20, output__save_steps=4)
    run.until_exited()
    ended = run.state.ended
    assert ended is not None and (ended.outcome, ended.step) == ("failed", 7)
    assert ended.reason == "The loss of step 7 is not a finite number."
    assert "Lower training.learning_rate" in ended.advice
    assert [event.step for event in run.all(CheckpointSaved)] == [4], "the weights before are what a resume begins with"
    assert run.state.adapter is None
    assert [event.save for event in run.all(StopRequested)] == [False]
    assert set(run.state.alarms) == {"loss_nan"}


def test_a_watchdog_that_stops_saves_and_one_that_pauses_waits(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    faults.spoil_steps(monkeypatch, {range(30, 31): faults.steep, range(60, 100): faults.nothing})
    run = hosted(**LONG, watchdogs__gradient_spike="pause", watchdogs__loss_zero="stop", watchdogs__gradient_zero="off")
    run.until(lambda: run.state.is_paused)
    assert (run.state.step, names(run)) == (30, ["gradient_spike"])
    assert run.send(Unpause(id=new_command_id())).accepted
    run.until_ended()
    ended = run.state.ended
    assert ended is not None and (ended.outcome, ended.step) == ("stopped", 62)
    assert ended.reason == "The loss has been 0 for 3 steps."
    assert names(run) == ["gradient_spike", "loss_zero"]
    assert [event.step for event in run.all(CheckpointSaved)] == [62]
    assert run.state.adapter is not None and run.state.adapter.step == 62


def test_what_the_machine_lacks_is_told(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    faults.fill_vram(monkeypatch)
    faults.fill_disk(monkeypatch)
    faults.spoil_steps(monkeypatch, {range(1, 400): faults.slow})
    run = hosted(training__max_steps=400, data__eval_rows=0)
    run.until(lambda: len(names(run)) == 2)
    assert sorted(names(run)) == ["disk_nearly_full", "vram_nearly_full"]
    found = {event.watchdog: event.finding for event in run.all(WatchdogFired)}
    assert found["vram_nearly_full"] == "97 % of the memory of GPU 0 is used."
    assert found["disk_nearly_full"] == "1.0 MiB are free on the run's disk; two more checkpoints need 512 MiB."


def test_rows_that_are_learnt_by_heart_are_told(hosted: Hosted, model: Path, tmp_path: Path) -> None:
    """No fault: every weight learns a few answers that nothing tells."""
    words = ["red", "blue", "cat", "dog", "one", "two", "three", "yes", "no"]
    rows: list[dict[str, Any]] = [
        {"messages": tiny.pair(f"what is {at}", f"{words[at % 9]} {words[at * 5 % 7]}")} for at in range(24)
    ]
    recipe = tiny.recipe_text(
        model,
        tiny.write_rows(tmp_path / "rows.jsonl", rows),
        backend="transformers",
        training__max_steps=200,
        training__eval_steps=8,
        training__learning_rate=0.005,
        training__lr_scheduler_type="constant",
    )
    run = hosted(text=json.dumps(json.loads(recipe) | {"finetuning_type": "full"}))
    run.until_ended()
    assert "overfitting" in names(run)
    assert "held-out loss" in next(event.finding for event in run.all(WatchdogFired) if event.watchdog == "overfitting")
