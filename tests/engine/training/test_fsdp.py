"""Ranks that share the weights (FSDP2) train as one that has them whole: real processes on the CPU, over gloo"""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.numpy import load_file

from cockpit.paths import runs_folder
from cockpit.protocol.commands import Chat, Pause, Sample, SaveCheckpoint, Stop, Unpause
from cockpit.protocol.events import (
    AdapterSaved,
    CheckpointSaved,
    Evaluated,
    LogWritten,
    ReplyEnded,
    SampleAnswered,
    TrainingResumed,
)
from cockpit.runs.folder import RunDir
from tests.engine.ranked import (
    STEPS,
    alone,
    figures,
    is_near,
    let_go,
    ranked,
    text_for,
    weights_difference,
)
from tests.engine.training.held import HOLD, wait_where_told
from tests.engine.warm_stack import WarmStack

SHARED = {"hardware__parallel": "fsdp"}


def test_two_ranks_that_share_the_weights_are_stopped_and_asked_and_one_ends_what_they_have_begun(
    plain_stack: WarmStack, model: Path, odd_rows: Path
) -> None:
    one = alone(plain_stack, text_for(model, odd_rows, 1))
    run = RunDir.create(runs_folder() / "shared")
    hold = run.path / HOLD
    hold.write_text("step 2")
    recipe = text_for(model, odd_rows, 2, **SHARED)
    with ranked(plain_stack, recipe, run=run, prepare=wait_where_told) as two:
        two.until(lambda: two.state.step == 2)
        for kind in (Pause, SaveCheckpoint, Sample):
            assert two.send(kind(id=kind.__name__)).accepted
        hold.unlink()
        two.until_phase("paused")
        chat = Chat(id="chat", messages=[{"role": "user", "content": "what"}], do_sample=False, max_new_tokens=3)
        two.link.send(chat)
        two.until(lambda: any(event.command_id == "chat" for event in two.all(ReplyEnded)))
        hold.write_text("step 4")
        assert two.send(Unpause(id="on")).accepted
        two.until(lambda: two.state.step == 4)
        assert two.send(Stop(id="stop")).accepted
        hold.unlink()
        two.until_ended()
        two.until_phase("ready")
        assert let_go(two) == [0, 0]
    (share,) = [event.text for event in two.all(LogWritten) if "a share of the weights" in event.text]
    assert two.state.plan is not None
    held = int("".join(filter(str.isdecimal, share)))
    assert held == pytest.approx(two.state.plan.total_parameters / 2, rel=0.01)
    assert [event.step for event in two.all(CheckpointSaved)] == [2, 4]
    assert [(event.step, event.reason) for event in two.all(SampleAnswered)] == [(0, ""), (2, "")]
    # Two of them go on, and at last one that has the weights whole.
    hold.write_text("step 6")
    with ranked(plain_stack, recipe, run=run, resume=True, prepare=wait_where_told) as two:
        two.until(lambda: two.state.step == 6)
        assert two.send(Stop(id="stop again")).accepted
        hold.unlink()
        two.until(lambda: two.state.ended is not None and two.state.ended.attempt == 2)
        let_go(two)
    resumed = alone(plain_stack, text_for(model, odd_rows, 1), run=run, resume=True)
    assert [event.step for event in resumed.all(TrainingResumed)] == [4, 6]
    assert len(figures(one)) == STEPS and is_near(figures(resumed), figures(one))
    measured = [{event.step: event.figures for event in each.all(Evaluated)} for each in (one, resumed)]
    assert is_near([measured[1][step] for step in (0, 3, 6, 8)], [measured[0][step] for step in (0, 3, 6, 8)])
    assert weights_difference(one.run, run) < 1e-4


def test_the_best_of_a_whole_model_that_two_machines_share_is_that_of_one_rank(
    plain_stack: WarmStack, model: Path, odd_rows: Path
) -> None:
    changes = {
        "finetuning_type": "full", "training__load_best_model_at_end": True, "output__save_steps": 3,
        "training__greater_is_better": True, "training__learning_rate": 0.005, "samples__prompts": [],
    }  # fmt: skip
    one = alone(plain_stack, text_for(model, odd_rows, 1, **changes))
    recipe = text_for(model, odd_rows, 2, **changes, **SHARED, hardware__devices=1, hardware__nodes=2)
    with ranked(plain_stack, recipe, machines=True) as two:
        two.until_ended()
        two.until_phase("ready")
        assert let_go(two) == [0, 0]
    assert is_near(figures(two), figures(one))
    assert [[event.step for event in each.all(AdapterSaved)] for each in (one, two)] == [[3], [3]], "not the last ones"
    weights = [load_file(each.run.model / "model.safetensors") for each in (one, two)]
    assert weights[0].keys() == weights[1].keys()
    assert max(float(abs(weights[0][name] - weights[1][name]).max()) for name in weights[0]) < 1e-4
