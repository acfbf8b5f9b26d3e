"""Rows of a step where several GPUs share them: how many, in how many steps, what a resume with others may change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.resume_policy import refused_changes
from cockpit.recipe.schedule import accumulation_for, batches_text, effective_batch, planned_epochs, planned_steps
from tests.engine import tiny


def recipe(devices: int = 1, micro: int = 2, accumulation: int = 4, **changes: Any) -> Recipe:
    values = {
        "hardware__devices": devices,
        "training__per_device_train_batch_size": micro,
        "training__gradient_accumulation_steps": accumulation,
        **changes,
    }
    text = tiny.recipe_text(Path("/m"), Path("/x.jsonl"), backend="transformers", **values)
    return RecipeDocument.parse(text, "x").recipe()


def test_a_step_has_the_rows_of_all_gpus() -> None:
    assert [effective_batch(recipe(devices)) for devices in (1, 2, 4)] == [8, 16, 32]
    assert [batches_text(recipe(devices)) for devices in (1, 2)] == ["2 × 4", "2 × 4 × 2 processes"]
    assert batches_text(recipe(4, hardware__gpu="auto"), "x") == "2 x 4 x 4 GPUs"


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 100, 101])
def test_as_many_rows_a_step_make_as_many_steps(rows: int) -> None:
    plans = [
        (planned_steps(one, rows), planned_epochs(one, rows))
        for one in (
            recipe(devices, accumulation=8 // devices, training__max_steps=None, training__num_train_epochs=3)
            for devices in (1, 2, 4, 8)
        )
    ]
    assert len(set(plans)) == 1 and plans[0][0] == 3 * -(-rows // 16)


def test_a_run_may_go_on_with_other_gpus_where_a_step_keeps_its_rows() -> None:
    before = recipe(4, accumulation=2)
    for devices in (1, 2, 8):
        after = recipe(devices, accumulation=accumulation_for(before, devices))
        assert effective_batch(after) == 16 and refused_changes(before, after, "--set") == []
    (problem,) = refused_changes(before, recipe(2, accumulation=2), "--set")
    assert (problem.field, problem.right) == ("hardware.devices", "keep their product, 16, or start a new run for that")


def test_gpus_that_cannot_share_the_rows_are_refused_with_those_that_can() -> None:
    with pytest.raises(ValueError) as refused:
        accumulation_for(recipe(4, accumulation=1), 3)
    assert str(refused.value) == (
        "A step has 8 rows, which 3 GPUs cannot share with 2 at a time; give 1, 2 or 4, or start a new run."
    )
    with pytest.raises(ValueError, match="give 1, or start a new run"):
        accumulation_for(recipe(1, micro=3, accumulation=1), 2)
