"""The forecast against transformers' own Trainer: steps, and the learning rate that it logs at each."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from cockpit.recipe.data import RowFormat
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.learning_rates import learning_rates, warmup_steps
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schedule import planned_epochs, planned_steps, trainer_rows, training_rows, why_too_few
from tests.engine import tiny
from tests.recipe.sample import SAMPLE

CASES: list[dict[str, Any]] = [
    {"rows": 10, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 4},
    {"rows": 17, "per_device_train_batch_size": 3, "gradient_accumulation_steps": 2, "num_train_epochs": 2.5},
    {"rows": 1, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 8, "num_train_epochs": 3.0},
    {"rows": 7, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 4, "num_train_epochs": 0.3},
    {"rows": 5, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 1, "max_steps": 12, "warmup_steps": 5},
    {"rows": 40, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 1, "warmup_ratio": 0.03},
    {"rows": 40, "lr_scheduler_type": "cosine", "warmup_ratio": 0.11, "num_train_epochs": 3.0},
    {"rows": 8, "lr_scheduler_type": "cosine", "max_steps": 9, "warmup_steps": 2},
    {"rows": 8, "lr_scheduler_type": "constant", "max_steps": 4},
    {"rows": 8, "lr_scheduler_type": "constant_with_warmup", "max_steps": 7, "warmup_steps": 3},
    {"rows": 8, "lr_scheduler_type": "linear", "max_steps": 3, "warmup_steps": 9},
    {"rows": 8, "max_steps": 6, "warmup_ratio": 0.0},
]


def recipe_of(case: dict[str, Any]) -> Recipe:
    document = RecipeDocument.parse(SAMPLE, "sample")
    for name in ("max_steps", "warmup_ratio"):
        document.set(f"training.{name}", None)
    document.set("training.warmup_steps", 0)
    for name, value in case.items():
        if name != "rows":
            document.set(f"training.{name}", value)
    return document.recipe()


@pytest.fixture(scope="module")
def trained() -> list[tuple[int, list[float]]]:
    """Of each case, what the Trainer did: steps, and the rates it logged. Nothing of Unsloth has patched it."""
    assert "unsloth" not in sys.modules
    done = []
    for case in CASES:
        training, rows = recipe_of(case).training, case["rows"]
        assert isinstance(rows, int)
        arguments = {
            "per_device_train_batch_size": training.per_device_train_batch_size,
            "gradient_accumulation_steps": training.gradient_accumulation_steps,
            "num_train_epochs": training.num_train_epochs,
            "max_steps": training.max_steps or -1,
            "learning_rate": training.learning_rate,
            "lr_scheduler_type": training.lr_scheduler_type,
            "warmup_steps": training.warmup_steps if training.warmup_ratio is None else training.warmup_ratio,
        }
        done.append(train(rows, arguments))
    return done


def train(rows: int, arguments: dict[str, Any]) -> tuple[int, list[float]]:
    """Steps, and the rates that are logged, of a model of one weight on so many rows."""
    import torch
    from transformers import Trainer, TrainingArguments

    class Tiny(torch.nn.Module):  # type: ignore[misc]  # torch is not looked into by mypy
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"loss": (self.weight * x).mean()}

    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder,
            use_cpu=True,
            report_to="none",
            logging_steps=1,
            save_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
            **arguments,
        )
        trainer = Trainer(model=Tiny(), args=settings, train_dataset=[{"x": torch.tensor([1.0])}] * rows)
        trainer.train()
    rates = [log["learning_rate"] for log in trainer.state.log_history if "learning_rate" in log]
    return trainer.state.max_steps, rates


@pytest.mark.parametrize("index", range(len(CASES)))
def test_forecast_is_what_the_trainer_does(index: int, trained: list[tuple[int, list[float]]]) -> None:
    steps, rates = trained[index]
    recipe = recipe_of(CASES[index])
    rows = CASES[index]["rows"]
    assert isinstance(rows, int)
    assert planned_steps(recipe, rows) == steps
    assert learning_rates(recipe.training, steps) == pytest.approx(rates, rel=1e-12, abs=1e-15)
    assert len(rates) == steps


def test_steps_hang_on_the_rows_unless_they_are_given() -> None:
    epochs = recipe_of({"rows": 0})
    assert planned_steps(epochs, None) is None
    assert planned_steps(epochs, 0) is None
    assert planned_steps(recipe_of({"max_steps": 30}), None) == 30
    packed = recipe_of({"packing": True})
    assert planned_steps(packed, 100) is None


def test_rows_that_are_held_out_or_too_many_are_not_trained_on() -> None:
    document = RecipeDocument.parse(SAMPLE, "sample")
    assert training_rows(document.recipe(), None) is None
    assert training_rows(document.recipe(), 1000) == 936
    assert training_rows(document.recipe(), 100) == 80  # a fifth is held out at most
    assert training_rows(document.recipe(), 4) == 4
    assert training_rows(document.recipe(), 0) == 0
    document.set("data.sources.0.max_rows", 400)
    assert training_rows(document.recipe(), 1000) == 336
    assert training_rows(document.recipe(), 50) == 40
    document.set("data.sources.1.name_or_path", "more.json")
    assert training_rows(document.recipe(), 1000) is None


def test_warm_up_share_is_rounded_up() -> None:
    assert warmup_steps(recipe_of({"warmup_ratio": 0.03}).training, 40) == 2
    assert warmup_steps(recipe_of({"warmup_ratio": 0.5}).training, 40) == 20
    assert warmup_steps(recipe_of({"warmup_steps": 7}).training, 3) == 7


def test_nothing_is_planned_for_no_steps() -> None:
    assert learning_rates(recipe_of({}).training, 0) == []


METHODS: list[tuple[str, dict[str, Any], str, int, int]] = [
    ("grpo", {}, "prompts", 1000, 250),
    ("grpo", {"grpo.num_generations": 16}, "prompts", 1001, 500),
    ("grpo", {"grpo.num_iterations": 3}, "prompts", 7, 3),
    ("grpo", {"hardware.devices": 2}, "prompts", 1000, 125),
    ("grpo", {}, "prompts", 3, 0),
    ("kto", {}, "labelled", 100, 4),
    ("kto", {}, "preference", 100, 7),
    ("kto", {}, "ranking", 100, 7),
    ("dpo", {}, "preference", 100, 4),
]


@pytest.mark.parametrize(("method", "changes", "form", "rows", "steps"), METHODS)
def test_steps_are_those_of_the_method(
    method: str, changes: dict[str, Any], form: RowFormat, rows: int, steps: int
) -> None:
    """The same as TRL's trainers take: tests/engine/training/test_methods.py."""
    document = RecipeDocument.parse(tiny.recipe_text(Path("/m"), Path("/x.jsonl"), method=method), "x")
    document.set("training.max_steps", None)
    document.set("training.num_train_epochs", 1.0)
    document.set("training.per_device_train_batch_size", 8)
    document.set("training.gradient_accumulation_steps", 4)
    if method == "grpo":
        document.set("grpo.rewards", [{"length": 4}])
        document.set("grpo.max_completion_length", 64)
    for name, value in changes.items():
        document.set(name, value)
    recipe = document.recipe()
    assert planned_steps(recipe, trainer_rows(recipe, rows, form)) == steps
    assert bool(why_too_few(recipe, rows)) == (steps == 0)
    document.set("training.max_steps", 500)
    assert planned_epochs(document.recipe(), trainer_rows(recipe, rows, form)) == (500 / steps if steps else None)
