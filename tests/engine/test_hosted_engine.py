"""The engine on a thread of the caller: every ending, commands that cannot be taken, idle time."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.chat import reply_stream
from cockpit.engine.controls import Controls
from cockpit.engine.data.encoding import BatchEncoder
from cockpit.engine.engine import Engine
from cockpit.engine.training.callback import EventCallback
from cockpit.paths import runs_folder
from cockpit.protocol.commands import AnswerPrompts, Chat, Stop, StopReply, Train, Unload
from cockpit.protocol.events import (
    AdapterSaved,
    CheckpointSaved,
    DataPrepared,
    EngineExited,
    Evaluated,
    LogWritten,
    MachineRead,
    ModelUnloaded,
    RunEnded,
    RunStarted,
    StepEnded,
    TrainingPlanned,
)
from cockpit.runs.folder import RunDir
from cockpit.runs.link import new_command_id
from tests.engine import tiny
from tests.engine.conftest import HostedRun

Hosted = Callable[..., HostedRun]


def test_a_run_that_completes(hosted: Hosted) -> None:
    """Also: evaluations and checkpoints between the steps, and figures of every step though few are logged."""
    run = hosted(
        training__max_steps=5,
        training__eval_steps=2,
        training__lr_scheduler_type="linear",
        training__warmup_steps=2,
        output__save_steps=2,
        output__save_total_limit=1,
        output__logging_steps=3,
    )
    run.until_phase("ready")
    assert run.state.answers[run.train.id].accepted
    (started,) = run.all(RunStarted)
    assert (started.run_id, started.command) == (run.run.id, ["test"])
    assert {"torch", "transformers", "trl", "peft", "python"} <= started.versions.keys()
    (digest,) = started.data_sha256.values()
    assert len(digest) == 64
    assert [phase for phase in run.phases() if phase != "standby"] == [
        *("importing", "loading_model", "preparing_data", "evaluating", "compiling", "training", "evaluating"),
        *("saving", "training", "evaluating", "saving", "training", "evaluating", "saving", "saving", "ready"),
    ]
    (plan,) = run.all(TrainingPlanned)
    assert (plan.total_steps, plan.steps_per_epoch) == (5, 9.0)
    assert 0 < plan.trainable_parameters < plan.total_parameters

    steps = run.all(StepEnded)
    assert [step.step for step in steps] == [1, 2, 3, 4, 5]
    assert [step.epoch for step in steps] == pytest.approx([n / 9 for n in range(1, 6)])
    rates = [step.figures["learning_rate"] for step in steps]
    assert rates == pytest.approx([0.0, 0.005, 0.01, 0.01 * 2 / 3, 0.01 / 3])
    assert len({step.figures["loss"] for step in steps}) == 5
    assert all(step.figures["grad_norm"] > 0 and (step.step_time_s or 0) > 0 for step in steps)
    for step in steps:
        assert step.data_s is not None and step.forward_backward_s is not None and step.step_time_s is not None
        assert step.data_s >= 0 < step.forward_backward_s
        assert step.data_s + step.forward_backward_s < step.step_time_s
    (data,) = run.all(DataPrepared)
    assert (data.train_rows, data.eval_rows, data.skipped_rows, data.truncated_rows) == (36, 4, 0, 0)
    seen = [step.figures["tokens_seen"] for step in steps]
    assert seen == sorted(seen)
    assert [step.figures["trained_tokens"] for step in steps] == [20.0, 40.0, 60.0, 80.0, 100.0]

    assert [event.step for event in run.all(Evaluated)] == [0, 2, 4, 5]
    losses = [event.figures["eval_loss"] for event in run.all(Evaluated)]
    assert losses[-1] < losses[0]
    assert [event.path for event in run.all(CheckpointSaved)] == [f"checkpoints/checkpoint-{n}" for n in (2, 4, 5)]
    assert [path.name for path in run.run.checkpoints.glob("checkpoint-*")] == ["checkpoint-5"]
    (saved,) = run.all(AdapterSaved)
    assert saved.size_bytes == sum(path.stat().st_size for path in run.run.adapter.rglob("*"))
    assert [event.outcome for event in run.all(RunEnded)] == ["completed"]
    assert {reading.step for reading in run.all(MachineRead)} >= {1, 2, 3, 4, 5}

    assert run.send(Unload(id=new_command_id())).accepted
    run.until_exited()
    assert isinstance(run.events[-1], EngineExited)
    assert len(run.all(ModelUnloaded)) == 1


def test_tokens_seen_are_those_of_the_rows(hosted: Hosted) -> None:
    """One epoch sees each row once: with padding left out, the sums are those of the data."""
    run = hosted(data__eval_rows=0, training__max_steps=None, training__num_train_epochs=1.0)
    run.until_phase("ready")
    (data,) = run.all(DataPrepared)
    last = run.all(StepEnded)[-1]
    assert last.figures["tokens_seen"] == data.tokens
    assert last.figures["trained_tokens"] == data.trained_tokens
    assert run.all(Evaluated) == []
    assert (last.step, last.total_steps, last.epoch) == (10, 10, 1.0)


def test_stop_finishes_the_step_and_saves(hosted: Hosted) -> None:
    run = hosted(training__max_steps=100_000)
    run.until(lambda: run.state.step >= 2)
    assert run.send(Stop(id=new_command_id())).accepted
    run.until_phase("ready")
    (ended,) = run.all(RunEnded)
    assert (ended.outcome, ended.step) == ("stopped", run.state.step)
    assert (run.run.adapter / "adapter_model.safetensors").is_file()
    assert not (run.run.path / "adapter.partial").exists()


def test_stop_without_saving_drops_the_step(hosted: Hosted) -> None:
    run = hosted(training__max_steps=100_000, training__gradient_accumulation_steps=8)
    run.until(lambda: run.state.step >= 1)
    run.link.send(Stop(id=new_command_id(), save=False))
    run.until_exited()
    assert [event.outcome for event in run.all(RunEnded)] == ["stopped"]
    assert run.all(AdapterSaved) == []
    assert not run.run.adapter.exists()


@pytest.fixture
def stop_asked(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a stop was asked for: what waits for it cannot be over before the command is read."""
    asked, ask_stop = threading.Event(), Controls.ask_stop

    def ask_and_tell(controls: Controls, save: bool) -> bool:
        is_more = ask_stop(controls, save)
        asked.set()
        return is_more

    monkeypatch.setattr(Controls, "ask_stop", ask_and_tell)
    return asked


def test_stop_while_rows_are_prepared_ends_the_run_at_step_0(
    hosted: Hosted, stop_asked: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = BatchEncoder.__call__

    def wait_and_encode(*args: Any) -> Any:
        assert stop_asked.wait(60)
        return encode(*args)

    monkeypatch.setattr(BatchEncoder, "__call__", wait_and_encode)
    run = hosted()
    run.until_phase("preparing_data")
    run.link.send(Stop(id=new_command_id()))
    run.until_exited()
    (ended,) = run.all(RunEnded)
    assert (ended.outcome, ended.step) == ("stopped", 0)
    assert run.all(DataPrepared) == []


def test_stop_during_an_evaluation_leaves_it(
    hosted: Hosted, stop_asked: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_prediction_step = EventCallback.on_prediction_step

    def wait_and_go_on(*args: Any, **kwargs: Any) -> None:
        assert stop_asked.wait(60)
        on_prediction_step(*args, **kwargs)

    monkeypatch.setattr(EventCallback, "on_prediction_step", wait_and_go_on)
    run = hosted(training__max_steps=3)
    run.until_phase("evaluating")
    run.link.send(Stop(id=new_command_id()))
    run.until_exited()
    assert [(event.outcome, event.step) for event in run.all(RunEnded)] == [("stopped", 0)]
    assert run.all(Evaluated) == []


@pytest.mark.parametrize(
    ("rows", "changes", "reason"),
    [
        ([{"messages": [{"role": "user", "content": "hi"}]}] * 3, {}, "No row of the data can be learnt from."),
        ([{"a": 1, "b": 2}], {}, "its columns are a, b"),
        (
            [{"messages": []}, *tiny.chat_rows(4)],
            {"data__on_bad_row": "fail"},
            "bad.jsonl:1: messages has no turns.",
        ),
        (tiny.chat_rows(4), {"lora__target_modules": ["wq"]}, "The adapter does not fit the model"),
        (tiny.chat_rows(4), {"model__name_or_path": "/nowhere/at/all"}, "cannot be loaded"),
        (tiny.chat_rows(4), {"model__max_seq_length": 16}, "No row of the data can be learnt from."),
    ],
)
def test_a_run_that_fails(
    hosted: Hosted, tmp_path: Path, rows: list[dict[str, object]], changes: dict[str, object], reason: str
) -> None:
    run = hosted(data=tiny.write_rows(tmp_path / "bad.jsonl", rows), **changes)
    run.until_exited()
    (ended,) = run.all(RunEnded)
    assert (ended.outcome, ended.step) == ("failed", 0)
    assert reason in ended.reason
    assert "\n" not in ended.reason
    assert isinstance(run.events[-1], EngineExited)


def test_a_recipe_that_cannot_be_read_fails_the_run(hosted: Hosted) -> None:
    run = hosted(text="schema: 1\nmethod: sft\nlora: {r: 0}\n")
    run.until_exited()
    (ended,) = run.all(RunEnded)
    assert ended.outcome == "failed"
    assert ended.reason.startswith("recipe.yaml:")


def test_commands_that_cannot_be_taken(hosted: Hosted) -> None:
    run = hosted(training__max_steps=100_000)
    run.until(lambda: run.state.step >= 1)
    again = run.send(Train(id=new_command_id(), run_id="other", command=[]))
    prompts = run.send(AnswerPrompts(id=new_command_id(), conversations=[[{"role": "user", "content": "hi"}]]))
    unload = run.send(Unload(id=new_command_id()))
    assert [answer.accepted for answer in (again, prompts, unload)] == [False, False, False]
    assert all(answer.text.endswith(".") for answer in (again, prompts, unload))
    (run.run.commands / "0-truncated.json").write_text('{"type": "Sto')
    assert run.send(Stop(id=new_command_id())).accepted
    run.until_phase("ready")
    assert not run.send(Stop(id=new_command_id())).accepted
    assert len(run.all(RunEnded)) == 1


def test_terminate_saves_and_ends(hosted: Hosted) -> None:
    run = hosted(training__max_steps=100_000)
    run.until(lambda: run.state.step >= 1)
    run.engine.terminate()
    run.until_exited()
    assert [event.outcome for event in run.all(RunEnded)] == ["stopped"]
    assert len(run.all(AdapterSaved)) == 1
    assert "ready" not in run.phases()


def test_a_model_that_nobody_looks_at_is_unloaded(hosted: Hosted) -> None:
    run = hosted(training__max_steps=1, idle_s=0.5)
    run.until_phase("ready")

    def nobody_looks_and_it_has_exited() -> bool:
        os.utime(run.run.lease, (0, 0))
        return run.state.exited is not None

    run.until(nobody_looks_and_it_has_exited)
    assert [event.outcome for event in run.all(RunEnded)] == ["completed"]
    (unloaded,) = run.all(ModelUnloaded)
    assert "Nobody" in unloaded.reason


def test_one_folder_has_one_engine(hosted: Hosted) -> None:
    run = hosted(training__max_steps=1)
    with pytest.raises(BlockingIOError):
        Engine(run.run, "transformers")


def test_a_reply_is_streamed_and_can_be_stopped(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    is_ended, looks = Controls.is_reply_ended, itertools.count()
    asked, end_reply = threading.Event(), Controls.end_reply

    def end_and_tell(controls: Controls, chat_id: str) -> None:
        end_reply(controls, chat_id)
        asked.set()

    def wait_after_some_tokens(controls: Controls, chat_id: str) -> bool:
        assert next(looks) < 100 or asked.wait(60)
        return is_ended(controls, chat_id)

    monkeypatch.setattr(Controls, "end_reply", end_and_tell)
    monkeypatch.setattr(Controls, "is_reply_ended", wait_after_some_tokens)
    monkeypatch.setattr(reply_stream, "GROWS_EVERY_S", 0.0)
    run = hosted(training__max_steps=1, model__max_seq_length=512)
    run.until_phase("ready")
    chat = Chat(
        id=new_command_id(),
        messages=[{"role": "user", "content": "hi"}],
        adapter=False,
        do_sample=False,
        max_new_tokens=400,
    )
    run.link.send(chat)
    run.until(lambda: chat.id in run.state.replies and bool(run.state.replies[chat.id].text))
    run.link.send(StopReply(id=new_command_id(), chat_id=chat.id))
    run.until(lambda: run.state.replies[chat.id].ended is not None)
    ended = run.state.replies[chat.id].ended
    assert ended is not None
    assert ended.end == "stopped"
    assert 0 < ended.new_tokens < 400
    assert ended.first_token_s is not None and 0 < ended.first_token_s <= ended.duration_s


def test_a_prompt_that_is_too_long_is_refused_in_the_chat(hosted: Hosted) -> None:
    run = hosted(training__max_steps=1)
    run.until_phase("ready")
    text, ended = run.ask("cat " * 200)
    assert (text, ended.end, ended.new_tokens, ended.first_token_s) == ("", "failed", 0, None)
    assert "the model is prepared for 128" in ended.reason
    text, ended = run.ask("hi", do_sample=False, max_new_tokens=1000, adapter=False)
    assert ended.prompt_tokens + ended.new_tokens <= 128


def test_what_the_stack_and_the_data_say_is_plain(hosted: Hosted, tmp_path: Path) -> None:
    bad = {"messages": [{"role": "\x1b]0;title\x07boss", "content": "x"}]}
    data = tiny.write_rows(tmp_path / "bad.jsonl", [bad, *tiny.chat_rows(8)])
    run = hosted(data=data, data__eval_rows=0, training__max_steps=1)
    run.until_phase("ready")
    lines = [event.text for event in run.all(LogWritten)]
    assert any(line.startswith("Row left out: bad.jsonl:1: turn 1 has the role") for line in lines)
    assert not any("\x1b" in line or "\x07" in line for line in lines)
    assert json.loads((run.run.adapter / "adapter_config.json").read_text())["peft_type"] == "LORA"
    assert RunDir(runs_folder() / run.run.id).liveness() == "alive"
