"""A run that is out of memory tells what made the peak, and goes on from its checkpoint with less at once."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from cockpit.cli.follow import relaunch_command
from cockpit.recipe.document import RecipeDocument
from tests.engine.conftest import HostedRun
from tests.engine.training import faults

Hosted = Callable[..., HostedRun]
SETTINGS = {"training__max_steps": 12, "output__save_steps": 4, "data__eval_rows": 0}


def test_a_run_out_of_memory_goes_on_with_half_the_batch(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = hosted(**SETTINGS)
    whole.until_ended()
    with monkeypatch.context() as patch:
        faults.spoil_steps(patch, {range(6, 7): faults.too_much})
        run = hosted(**SETTINGS)
        run.until_exited()
    run.close()
    ended = run.state.ended
    assert ended is not None and (ended.outcome, ended.step) == ("out_of_memory", 5)
    assert ended.memory is not None
    assert (ended.memory.phase, ended.memory.rows, ended.memory.asked_bytes) == ("training", 2, 2 << 30)
    tokens = ended.memory.tokens
    assert ended.reason == (
        f"Memory of the GPU ran out: the batch in hand had 2 rows of {tokens} tokens and asked for 2.0 GiB more."
    )
    first = ended.relaunches[0]
    assert first.settings == (
        "training.per_device_train_batch_size=1",
        "training.gradient_accumulation_steps=4",
    )
    assert relaunch_command(run.run, first, has_checkpoint=True) == (
        f"cockpit resume {run.run.id} --set {first.settings[0]} --set {first.settings[1]}"
    )
    assert relaunch_command(run.run, first, has_checkpoint=False).startswith(f"cockpit train {run.run.recipe} --set ")

    document = RecipeDocument.load(run.run.recipe)
    for setting in first.settings:
        document.set_from_text(setting)
    again = hosted(resumed=run.run, text=json.dumps(document.recipe().model_dump(by_alias=True, exclude_defaults=True)))
    again.until(lambda: again.state.ended is not None and again.state.ended.attempt == 2)
    assert again.state.ended is not None and again.state.ended.outcome == "completed"
    for name in ("tokens_seen", "trained_tokens", "learning_rate"):
        assert list(again.state.steps.metrics[name]) == list(whole.state.steps.metrics[name]), "the same rows a step"
    losses = (list(one.state.steps.metrics["loss"]) for one in (again, whole))
    assert next(losses) == pytest.approx(next(losses), rel=1e-4)
