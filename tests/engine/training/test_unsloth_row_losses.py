"""The loss by row with Unsloth, which gives no logits: as its own and the other backend's, without a second pass."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from cockpit.data.row_losses import RowLoss, StepRows
from tests.engine import tiny
from tests.engine.families import make_family
from tests.engine.training.forked_runs import Ended, ended
from tests.engine.training.resuming import Hosted
from tests.engine.warm_stack import WarmStack

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "gemma2": ("gemma2", {}),
    "granite": ("granite", {}),
    "cohere": ("cohere", {}),
    "a trained head": ("llama", {"lora__modules_to_save": ["lm_head"]}),
    "new tokens": ("llama", {"model__add_tokens": ["<call>"]}),
    "dropout": ("llama", {"lora__lora_dropout": 0.3}),
}
"""Which model, and what else the recipe says."""
KEPT: dict[str, Any] = {"output__row_losses": True, "data__eval_rows": 0, "training__max_steps": 4}


def counted(recipes: dict[str, str]) -> dict[str, Ended]:
    """Each run, with `calls`: how often modules of each class computed."""
    found = {}
    for name, recipe in recipes.items():
        calls = Counter[str]()
        hook = torch.nn.modules.module.register_module_forward_hook(
            lambda module, *_, calls=calls: calls.update([type(module).__name__])
        )
        found[name] = ended(name.replace(" ", "-"), recipe) | {"calls": calls}
        hook.remove()
    return found


def test_row_losses(tmp_path: Path, hosted: Hosted, unsloth_stack: WarmStack) -> None:
    turns = [tiny.pair(f"what {'red ' * (i % 7)}{i}", f"arr {'blue ' * (i % 5)}{i}") for i in range(40)]
    data = tiny.write_rows(tmp_path / "rows.jsonl", [{"messages": turn} for turn in turns])
    models = {name: make_family(name, tmp_path / name) for name in ("llama", "gemma2", "granite", "cohere")}
    recipes = {name: tiny.recipe_text(models[of], data, **KEPT, **said) for name, (of, said) in CASES.items()}
    without = json.loads(recipes["dropout"])
    without["output"]["row_losses"] = False
    recipes["without"] = json.dumps(without)
    told = unsloth_stack.call(counted, recipes, COCKPIT_HOME=str(tmp_path / "home"))

    off = told.pop("without")
    assert not (off["run"] / "row_losses.jsonl").exists()
    assert off["metrics"] == told["dropout"]["metrics"], "the training is the same to the bit"
    assert off["calls"] == told["dropout"]["calls"], "nothing is computed twice"

    for name, run in told.items():
        assert run["outcome"] == "completed", name
        kept = steps(run["run"] / "row_losses.jsonl")
        assert [one.step for one in kept] == [1, 2, 3, 4]
        for one, loss in zip(kept, run["metrics"]["loss"], strict=True):
            tokens = sum(row.tokens for row in one.rows)
            mean = sum((row.loss or 0.0) * row.tokens for row in one.rows) / tokens
            assert mean == pytest.approx(loss, abs=2e-5), name

    for name in ("llama", "gemma2", "granite", "cohere"):
        recipe = tiny.recipe_text(models[name], data, backend="transformers", **KEPT | {"training__max_steps": 1})
        other = hosted(text=recipe)
        other.until_ended()
        theirs = steps(other.run.row_losses)[0].rows
        ours = steps(told[name]["run"] / "row_losses.jsonl")[0].rows
        assert by_place(ours) == pytest.approx(by_place(theirs), abs=2e-5), name


def steps(path: Path) -> list[StepRows]:
    return [msgspec.json.decode(line, type=StepRows) for line in path.read_bytes().splitlines()]


def by_place(rows: list[RowLoss]) -> dict[str, float | None]:
    return {row.where: row.loss for row in rows}
