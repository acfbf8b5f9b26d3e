"""A recipe that was fitted to a card trains what it would have trained as written: the same losses, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cockpit.models.published import described
from cockpit.preflight.fitting import fitted
from cockpit.preflight.memory import Device
from cockpit.preflight.room import GpuRoom, forecast_for
from cockpit.protocol.events import GpuReading, StepEnded
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from tests.engine.conftest import HostedRun
from tests.engine.training.resuming import whole

Hosted = Callable[..., HostedRun]
WRITTEN: dict[str, Any] = {
    "training__max_steps": 12,
    "training__per_device_train_batch_size": 2,
    "training__gradient_accumulation_steps": 4,
    "training__gradient_checkpointing": "non_reentrant",
    "training__eval_steps": 4,
    "training__weight_decay": 0.1,
    "hardware__compile": True,
}
MULTIPLE = 64
CHOSEN = (
    "per_device_train_batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "padding_free",
    "pad_to_multiple_of", "per_device_eval_batch_size",
)  # fmt: skip


def roomy(recipe: Recipe) -> GpuRoom:
    """On a card of 80 GiB."""
    found = forecast_for(recipe, described(recipe.model.name_or_path), Device(80 << 30, 80 << 30))
    reading = GpuReading(index=0, uuid="GPU-0", name="a card", vram_used_mib=0.0, vram_total_mib=80 * 1024.0)
    return GpuRoom(reading, (), found, chosen=True)


@pytest.mark.parametrize(
    "changes",
    [{}, {"training__padding_free": True}, {"training__group_by_length": True}],
    ids=["padded", "padding-free", "grouped"],
)
def test_the_losses_are_those_of_the_recipe_as_written(hosted: Hosted, changes: dict[str, Any]) -> None:
    written = whole(hosted, {**WRITTEN, **changes})
    document = RecipeDocument.load(written.run.recipe)
    document.set("training.fit", "auto")
    training = fitted(document.recipe(), roomy).recipe.training
    assert (training.per_device_train_batch_size, training.gradient_accumulation_steps) == (8, 1)
    assert (training.gradient_checkpointing, training.padding_free) == ("none", False)
    now = {f"training__{name}": getattr(training, name) for name in CHOSEN}
    chosen = whole(hosted, {**WRITTEN, **changes, **now})
    for name in ("tokens_seen", "trained_tokens", "learning_rate"):
        assert list(chosen.state.steps.metrics[name]) == list(written.state.steps.metrics[name])
    for name in ("loss", "grad_norm"):
        theirs = [float(value or 0) for value in written.state.steps.metrics[name]]
        assert list(chosen.state.steps.metrics[name]) == pytest.approx(theirs, rel=1e-5), name
    held_out = [[one.figures["eval_loss"] for one in run.state.evaluations] for run in (written, chosen)]
    assert held_out[1] == pytest.approx(held_out[0], rel=1e-5)


def test_joined_rows_are_padded_behind_the_last_one_with_the_same_losses(hosted: Hosted) -> None:
    written = whole(hosted, WRITTEN)
    sizes = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1, "padding_free": True,
             "per_device_eval_batch_size": 2}  # fmt: skip
    now = {f"training__{name}": value for name, value in (sizes | {"pad_to_multiple_of": MULTIPLE}).items()}
    joined = whole(hosted, {**WRITTEN, **now})
    for name in ("tokens_seen", "trained_tokens"):
        assert list(joined.state.steps.metrics[name]) == list(written.state.steps.metrics[name]), "padding is no token"
    for name in ("loss", "grad_norm"):
        theirs = [float(value or 0) for value in written.state.steps.metrics[name]]
        assert list(joined.state.steps.metrics[name]) == pytest.approx(theirs, rel=1e-5), name
    held_out = [[one.figures["eval_loss"] for one in run.state.evaluations] for run in (written, joined)]
    assert held_out[1] == pytest.approx(held_out[0], rel=1e-5)
    steps = joined.all(StepEnded)
    assert all((event.batch_tokens or 1) % MULTIPLE == 0 for event in steps), "few lengths, each of which compiles once"
    assert steps[0].batch_tokens is not None and steps[0].batch_tokens > steps[0].figures["tokens_seen"]
