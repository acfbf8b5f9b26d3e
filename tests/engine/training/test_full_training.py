"""finetuning_type full, by a real engine: every weight is trained, the model is saved whole, and there is no base."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cockpit.protocol.events import RunEnded, StepEnded, TrainingPlanned
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
