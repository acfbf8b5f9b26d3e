"""Resuming from a checkpoint with Unsloth on the CPU: the losses of an undisturbed run, step by step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.engine import tiny
from tests.engine.training.forked_runs import Ended, ended
from tests.engine.warm_stack import WarmStack

COMMON: dict[str, Any] = {
    "lora__lora_dropout": 0.2,
    "training__max_steps": 11,
    "training__lr_scheduler_type": "cosine",
    "training__eval_steps": 3,
}
CASES: dict[str, dict[str, Any]] = {
    "random": {"training__gradient_checkpointing": "unsloth"},
    "grouped": {"training__group_by_length": True, "training__dataloader_num_workers": 2},
}


def undisturbed_and_stopped(recipes: dict[str, str], stop: int) -> dict[str, list[Ended]]:
    """By name: a run of the recipe, one that was stopped after that step, and that one gone on with."""
    told = {}
    for name, recipe in recipes.items():
        again = f"{name}-again"
        told[name] = [ended(name, recipe), ended(again, recipe, stop=stop), ended(again, recipe, attempt=2)]
    return told


def gone_on_with(recipe: str) -> list[Ended]:
    """A run of the recipe, which adds tokens, and one that goes on with its adapter by the same recipe."""
    first = ended("first", recipe)
    asked = json.loads(recipe)
    asked["model"]["adapter"] = "first"
    return [first, ended("second", json.dumps(asked))]


def test_an_adapter_is_gone_on_with(tmp_path: Path, model: Path, rows: Path, unsloth_stack: WarmStack) -> None:
    """With the embeddings that it has trained for new tokens."""
    recipe = tiny.recipe_text(model, rows, training__max_steps=8, model__add_tokens=["<call>", "<done>"])
    first, second = unsloth_stack.call(gone_on_with, recipe, COCKPIT_HOME=str(tmp_path / "home"))
    assert second["outcome"] == "completed"
    assert second["evaluations"][0] == (0, first["evaluations"][-1][1])
    assert second["evaluations"][-1][1] < second["evaluations"][0][1]


def one_after_the_other(recipes: dict[str, str]) -> dict[str, Ended]:
    return {name: ended(name, recipe) for name, recipe in recipes.items()}


def test_answers_on_the_way_leave_no_trace(tmp_path: Path, model: Path, rows: Path, unsloth_stack: WarmStack) -> None:
    """Unsloth's own switches between training and answering are put back."""
    fields: dict[str, Any] = {"training__max_steps": 12, "training__eval_steps": 6, "lora__lora_dropout": 0.2}
    fields |= {"training__gradient_checkpointing": "unsloth"}
    asked: dict[str, Any] = {"evaluation__rows": 4, "evaluation__every_steps": 4, "evaluation__max_new_tokens": 24}
    recipes = {
        "without": tiny.recipe_text(model, rows, **fields),
        "with": tiny.recipe_text(model, rows, **fields, **asked),
    }
    told = unsloth_stack.call(one_after_the_other, recipes, COCKPIT_HOME=str(tmp_path / "home"))
    assert [one["outcome"] for one in told.values()] == ["completed", "completed"]
    assert told["with"]["metrics"] == told["without"]["metrics"]
    assert told["with"]["evaluations"] == told["without"]["evaluations"]
    assert [step for step, _ in told["with"]["answers"]] == [0, 4, 8, 12]
    (_, before), *_, (_, after) = told["with"]["answers"]
    assert 0 <= before["eval_token_f1"] < after["eval_token_f1"] <= 1


def test_losses_are_those_of_an_undisturbed_run(tmp_path: Path, model: Path, unsloth_stack: WarmStack) -> None:
    """Nine steps are an epoch; the stop comes where an evaluation is due."""
    rows = [{"messages": tiny.pair(f"what is {n}", "red cat " * (1 + n * 7 % 11))} for n in range(40)]
    path = tiny.write_rows(tmp_path / "rows.jsonl", rows)
    recipes = {name: tiny.recipe_text(model, path, **COMMON, **changes) for name, changes in CASES.items()}
    told = unsloth_stack.call(undisturbed_and_stopped, recipes, 6, COCKPIT_HOME=str(tmp_path / "home"))
    assert list(told) == list(CASES)
    for name, (whole, stopped, again) in told.items():
        assert [one["outcome"] for one in (whole, stopped, again)] == ["completed", "stopped", "completed"], name
        assert len(whole["metrics"]["loss"]) == 11
        assert again["metrics"] == whole["metrics"], name
        assert again["evaluations"] == whole["evaluations"], name
        assert [step for step, _ in whole["evaluations"]] == [0, 3, 6, 9, 11]
