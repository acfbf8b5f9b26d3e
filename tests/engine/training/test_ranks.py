"""Several ranks train as one GPU would: real processes on the CPU, which talk over gloo"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from cockpit.paths import runs_folder
from cockpit.protocol.commands import (
    Chat,
    Evaluate,
    Pause,
    Sample,
    SaveCheckpoint,
    ScaleLearningRate,
    Stop,
    Train,
    Unpause,
)
from cockpit.protocol.events import (
    CheckpointSaved,
    Evaluated,
    LogWritten,
    ReplyEnded,
    RunEnded,
    SampleAnswered,
    ScheduleChanged,
    StepEnded,
    TrainingResumed,
)
from cockpit.runs.crash import Crash
from cockpit.runs.folder import RunDir
from cockpit.runs.ranks import rank_log, take_wish_to_go_on
from cockpit.runs.summary import RunSummary
from tests.engine.ranked import STEPS, alone, figures, is_near, let_go, ranked, text_for, weights_difference
from tests.engine.training import faults
from tests.engine.training.held import HOLD, wait_where_told
from tests.engine.warm_stack import WarmStack


def test_two_ranks_give_the_losses_tokens_gradients_and_adapter_of_one(
    plain_stack: WarmStack, model: Path, odd_rows: Path
) -> None:
    one = alone(plain_stack, text_for(model, odd_rows, 1))
    with ranked(plain_stack, text_for(model, odd_rows, 2)) as two:
        two.until_ended()
        assert two.state.ended is not None and two.state.ended.outcome == "completed", two.log.read_text()
        two.until_phase("ready")
        assert two.processes[1].wait(60) == 0, "it leaves, and rank 0 keeps the model"
        assert let_go(two) == [0, 0]
    assert len(figures(one)) == STEPS and is_near(figures(two), figures(one))
    assert {"loss", "grad_norm", "learning_rate", "tokens_seen", "trained_tokens"} == figures(two)[0].keys()
    measured = [[event.figures for event in run.all(Evaluated)] for run in (one, two)]
    assert len(measured[0]) == 4 and is_near(measured[1], measured[0])
    assert [event.epoch for event in two.all(StepEnded)] == [event.epoch for event in one.all(StepEnded)]
    assert weights_difference(one.run, two.run) < 1e-4
    assert two.run.identity() is not None and len(two.run.identity().ranks) == 2  # type: ignore[union-attr]
    assert "Rank 1 of 2 meets the others." in rank_log(two.run, 1).read_text()


def test_what_is_asked_for_is_done_by_all_ranks_at_the_same_step_and_a_stop_is_resumed_by_one(
    plain_stack: WarmStack, model: Path, odd_rows: Path
) -> None:
    undisturbed = alone(plain_stack, text_for(model, odd_rows, 1, samples__prompts=[]))
    run = RunDir.create(runs_folder() / "asked")
    hold = run.path / HOLD
    hold.write_text("step 2")
    with ranked(plain_stack, text_for(model, odd_rows, 2), run=run, prepare=wait_where_told) as two:
        two.until(lambda: two.state.step == 2)
        assert two.send(Pause(id="pause")).accepted
        for kind in (SaveCheckpoint, Evaluate, Sample):
            assert two.send(kind(id=kind.__name__)).accepted
        hold.unlink()
        two.until_phase("paused")
        chat = Chat(id="chat", messages=[{"role": "user", "content": "what"}], do_sample=False, max_new_tokens=3)
        two.link.send(chat)
        two.until(lambda: any(event.command_id == "chat" for event in two.all(ReplyEnded)))
        assert not two.send(Pause(id="again")).accepted
        hold.write_text("step 4")
        assert two.send(Unpause(id="on")).accepted
        two.until(lambda: two.state.step == 4)
        assert two.send(Stop(id="stop")).accepted
        hold.unlink()
        two.until_ended()
        assert two.state.ended is not None and (two.state.ended.outcome, two.state.ended.step) == ("stopped", 4)
        assert let_go(two) == [0, 0]
    assert [event.step for event in two.all(CheckpointSaved)] == [2, 4]
    assert [event.step for event in two.all(Evaluated)] == [0, 2, 3]
    assert [event.step for event in two.all(SampleAnswered)] == [0, 2]
    assert {path.name for path in (run.checkpoints / "checkpoint-4").glob("rng_state*")} == {
        "rng_state.pth", "rng_state_0.pth", "rng_state_1.pth",
    }  # fmt: skip
    # One goes on where two have stopped.
    resumed = alone(plain_stack, text_for(model, odd_rows, 1), run=run, resume=True)
    assert [event.step for event in resumed.all(TrainingResumed)] == [4]
    assert is_near(figures(resumed), figures(undisturbed))


def test_two_resume_what_one_has_begun_and_a_rate_that_is_asked_for_holds_for_both(
    plain_stack: WarmStack, model: Path, odd_rows: Path
) -> None:
    changes = {"training__lr_scheduler_type": "constant", "samples__prompts": []}
    one = alone(plain_stack, text_for(model, odd_rows, 1, **changes))
    begun = RunDir.create(runs_folder() / "begun")
    alone(plain_stack, text_for(model, odd_rows, 1, **changes, training__max_steps=4), run=begun, steps=4)
    (begun.path / HOLD).write_text("step 6")
    recipe = text_for(model, odd_rows, 2, **changes)
    with ranked(plain_stack, recipe, run=begun, resume=True, prepare=wait_where_told, launched=True) as two:
        two.until(lambda: two.state.step == 6)
        assert two.send(ScaleLearningRate(id="rate", factor=0.5)).accepted
        (begun.path / HOLD).unlink()
        two.until(lambda: two.state.step == STEPS and two.state.ended is not None)
        let_go(two)
    assert is_near(figures(two)[:6], figures(one)[:6])
    assert [event.step for event in two.all(ScheduleChanged)] == [6]
    assert [step["learning_rate"] for step in figures(two)[5:]] == [0.01, 0.005, 0.005]
    assert is_near(figures(two)[6:7], [figures(one)[6] | {"learning_rate": 0.005}])


def test_a_rank_that_is_killed_ends_the_run_and_is_named_with_its_output(
    plain_stack: WarmStack, model: Path, odd_rows: Path
) -> None:
    run = RunDir.create(runs_folder() / "killed")
    (run.path / HOLD).write_text("step 3")
    recipe = text_for(model, odd_rows, 2, output__save_steps=2, samples__prompts=[])
    with ranked(plain_stack, recipe, run=run, prepare=wait_where_told) as two:
        two.until(lambda: two.state.step == 3)
        os.kill(two.processes[1].pid, signal.SIGKILL)
        assert two.processes[1].wait(60) == -signal.SIGKILL
        two.until_exited()
        assert two.processes[0].wait(60) == 1, "whoever has started the ranks ends those that are left"
    ended = two.state.ended
    assert ended is not None and (ended.outcome, ended.step, ended.rank) == ("failed", 3, 1)
    assert RunSummary.of(run).is_lost and RunSummary.of(run).state == "failed"
    pid = two.processes[1].pid
    assert ended.reason == f"Rank 1 of 2 (process {pid}) was killed, or has ended without a word."
    lines = list(Crash.of(run, two.state).lines())
    assert ("left", "the checkpoint after step 2, whole") in lines
    assert [label for label, _ in lines][:2] == ["log 1", "log 1"]


def spoil_rank_1() -> None:
    """In a rank's process: the second one runs out of memory at step 3."""
    if os.environ["RANK"] == "1":
        faults.spoil_steps(pytest.MonkeyPatch(), {range(3, 4): faults.too_much})


def test_a_fitted_run_of_which_one_rank_is_out_of_memory_asks_to_be_started_anew_as_written(
    plain_stack: WarmStack, model: Path, odd_rows: Path
) -> None:
    """What has started the ranks does that (tests/torture/falls_back.py)."""
    run = RunDir.create(runs_folder() / "fitted")
    written = text_for(model, odd_rows, 2, samples__prompts=[])
    run.written_recipe.write_text(written)
    halves = {"training__per_device_train_batch_size": 1, "training__gradient_accumulation_steps": 4}
    fitted = text_for(model, odd_rows, 2, samples__prompts=[], output__save_steps=2, **halves)
    with ranked(plain_stack, fitted, run=run, prepare=spoil_rank_1, launched=True) as two:
        assert two.processes[0].wait(60) == 1, "whoever has started the ranks ends those that are left"
        two.poll()
    assert two.all(RunEnded) == [] and run.recipe.read_text() == written and not run.written_recipe.exists()
    (warning,) = [event.text for event in two.all(LogWritten) if event.level == "warning"]
    assert warning.startswith("Rank 1 of 2: Memory of the GPU ran out") and warning.endswith("after step 2.")
    assert take_wish_to_go_on(run) and not take_wish_to_go_on(run)
    ((_, order),) = run.waiting_commands()
    assert isinstance(order, Train) and (order.resume, order.from_step) == (True, 2)
