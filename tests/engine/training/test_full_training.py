"""finetuning_type full, by a real engine: every weight is trained, the model is saved whole, and there is no base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cockpit.protocol.events import CheckpointSaved, LogWritten, RunEnded, StepEnded, TrainingPlanned
from tests.engine import tiny
from tests.engine.conftest import HostedRun


def test_full_training(hosted: Callable[..., HostedRun], model: Path, rows: Path) -> None:
    recipe: dict[str, Any] = json.loads(
        tiny.recipe_text(model, rows, backend="transformers", training__max_steps=6, training__learning_rate=0.005)
    )
    run = hosted(text=json.dumps(recipe | {"finetuning_type": "full"}))
    run.until_phase("ready")
    assert [event.outcome for event in run.all(RunEnded)] == ["completed"]
    (plan,) = run.all(TrainingPlanned)
    assert plan.trainable_parameters == plan.total_parameters
    losses = [step.figures["loss"] for step in run.all(StepEnded)]
    assert losses[-1] < losses[0]
    assert (run.run.model / "model.safetensors").is_file()
    assert not run.run.adapter.exists()
    _, ended = run.ask("what is the name of red 3", do_sample=False, max_new_tokens=8)
    assert ended.end in ("end_of_turn", "max_new_tokens")
    _, refused = run.ask("what is the name of red 3", adapter=False)
    assert (refused.end, refused.reason) == (
        "failed",
        "Every weight of the model was trained, so there is no base here to compare with.",
    )


def test_a_base_that_could_not_be_saved_is_mended_before_it_is_trained(
    hosted: Callable[..., HostedRun], model: Path, rows: Path, tmp_path: Path
) -> None:
    """Many older bases give a temperature without do_sample, with which transformers refuses to save the weights."""
    old = shutil.copytree(model, tmp_path / "old")
    (old / "generation_config.json").write_text('{"temperature": 0.6, "top_p": 0.9, "output_scores": true}')
    recipe: dict[str, Any] = json.loads(
        tiny.recipe_text(old, rows, backend="transformers", training__max_steps=2, output__save_steps=1)
    )
    run = hosted(text=json.dumps(recipe | {"finetuning_type": "full"}))
    run.until_phase("ready")
    assert [event.outcome for event in run.all(RunEnded)] == ["completed"]
    assert [event.step for event in run.all(CheckpointSaved)] == [1, 2]
    saved = json.loads((run.run.model / "generation_config.json").read_text())
    assert {key: saved.get(key) for key in ("temperature", "top_p", "do_sample", "output_scores")} == {
        "temperature": 0.6,
        "top_p": 0.9,
        "do_sample": True,
        "output_scores": None,
    }
    told = [event.text for event in run.all(LogWritten) if "generation_config.json" in event.text]
    assert len(told) == 2
    assert "do_sample: true" in told[0]
    assert "output_scores" in told[1]
