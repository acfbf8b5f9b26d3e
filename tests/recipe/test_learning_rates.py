"""Every scheduler of transformers: its settings are those that it has there, its planned rates those that it gives."""

from __future__ import annotations

import inspect
import random
from typing import Any, get_args

import pytest

from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.learning_rates import learning_rates, rates_so_far, why_no_room
from cockpit.recipe.scheduler import FOLLOWS_EVALUATIONS, SETTINGS, Scheduler
from cockpit.recipe.training import Training
from tests.recipe.sample import SAMPLE

FUNCTIONS_OF_STEPS = [name for name in SETTINGS if name not in FOLLOWS_EVALUATIONS]
GIVEN_BY_TRAINER = {"optimizer", "num_warmup_steps", "num_training_steps", "last_epoch", "mode", "verbose", "kwargs"}


def recipe_of(kind: str, settings: dict[str, Any], **training: Any) -> Training:
    """The training of a checked recipe."""
    document = RecipeDocument.parse(SAMPLE, "sample")
    document.set("training.warmup_steps", 0)
    document.set("training.max_steps", None)
    for name, value in {"lr_scheduler_type": kind, **training}.items():
        document.set(f"training.{name}", value)
    if settings:
        document.set("training.lr_scheduler_kwargs", settings)
    return document.recipe().training


def rates_of_transformers(training: Training, total: int) -> list[float]:
    """The rate that transformers' scheduler gives each of the steps."""
    import torch
    from transformers import TrainingArguments, get_scheduler

    from cockpit.engine.training.learning_rate import schedule_arguments

    arguments = schedule_arguments(training, has_held_out=True)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=training.learning_rate)
    warmup = TrainingArguments(warmup_steps=arguments["warmup_steps"], use_cpu=True).get_warmup_steps(total)
    kwargs = arguments["lr_scheduler_kwargs"]
    scheduler = get_scheduler(arguments["lr_scheduler_type"], optimizer, warmup, total, kwargs)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def any_settings(kind: str, draw: random.Random, total: int, rate: float) -> dict[str, Any]:
    """Settings that a person could give, some of them left out."""
    lowest = rate * draw.uniform(0, 0.9)
    decay = draw.randint(1, max(1, total // 3))
    offers: dict[str, Any] = {
        "num_cycles": draw.randint(1, 5) if kind == "cosine_with_restarts" else draw.choice([0.5, 1, 1.5, 0.37]),
        "lr_end": lowest,
        "power": draw.choice([0.5, 1, 2, 3.3]),
        "timescale": draw.randint(1, 50),
        "warmup_lr_rate": draw.uniform(0.01, 1),
        "num_stable_steps": draw.randint(0, total),
        "warmup_type": draw.choice(["linear", "cosine", "1-sqrt"]),
        "decay_type": draw.choice(["linear", "cosine", "1-sqrt"]),
        "min_lr_ratio": draw.uniform(0, 0.9),
    }
    settings = {name: offers[name] for name in SETTINGS[kind] if name in offers and draw.random() < 0.6}
    if "min_lr" in SETTINGS[kind]:
        settings |= draw.choice([{"min_lr": lowest}, {"min_lr_rate": draw.uniform(0, 0.9)}])
    if kind == "warmup_stable_decay":
        settings["num_decay_steps"] = decay
    return settings


@pytest.mark.parametrize("kind", FUNCTIONS_OF_STEPS)
def test_the_plan_is_what_the_optimizer_uses_at_every_step(kind: str) -> None:
    draw = random.Random(kind)
    for _ in range(25):
        total, rate = draw.randint(1, 60), draw.choice([2e-4, 1e-3, 3.7e-5])
        warmup: dict[str, Any] = {}
        if kind != "constant" and total > 2:
            room = total // 3
            warmup = draw.choice([{}, {"warmup_steps": draw.randint(0, room)}, {"warmup_ratio": draw.uniform(0, 0.3)}])
        training = recipe_of(kind, any_settings(kind, draw, total, rate), learning_rate=rate, **warmup)
        if why_no_room(training, total):
            assert learning_rates(training, total) == []
            continue
        assert learning_rates(training, total) == pytest.approx(rates_of_transformers(training, total), rel=1e-12)


def test_schedulers_and_settings_are_those_of_the_installed_transformers() -> None:
    from torch.optim.lr_scheduler import ReduceLROnPlateau
    from transformers import SchedulerType
    from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION

    known = {one.value for one in SchedulerType}
    assert set(get_args(Scheduler)) == set(SETTINGS) == known | {"greedy"}  # greedy is newer than the oldest version
    for kind, names in SETTINGS.items():
        if kind not in known:
            continue
        function: Any = TYPE_TO_SCHEDULER_FUNCTION[SchedulerType(kind)]
        if kind == "reduce_lr_on_plateau":
            function = ReduceLROnPlateau
        elif kind == "greedy":
            from transformers.optimization import GreedyLR as function  # type: ignore[no-redef]
        has = set(inspect.signature(function).parameters) - GIVEN_BY_TRAINER
        if kind == "cosine":
            has &= set(names)
        assert set(names) == has, kind


def test_a_schedule_that_follows_evaluations_is_planned_as_far_as_it_is_known() -> None:
    """With a patience of 1 the second evaluation is the first that can move the rate."""
    changes = {"eval_steps": 5, "learning_rate": 1e-3}
    training = recipe_of("reduce_lr_on_plateau", {"patience": 1}, **changes)
    assert learning_rates(training, 60) == [1e-3] * 10
    assert learning_rates(training, 7) == [1e-3] * 7
    assert len(learning_rates(recipe_of("greedy", {"min_lr": 1e-5}, **changes), 100)) == 55


def test_what_is_known_of_such_a_schedule_grows_with_the_steps() -> None:
    training = recipe_of("reduce_lr_on_plateau", {"patience": 0}, eval_steps=4, learning_rate=1e-3)
    assert rates_so_far(training, 20, [], []) == [1e-3] * 4
    assert rates_so_far(training, 20, [1, 2], [1e-3, 1e-3]) == [1e-3] * 4
    fallen = [1e-3] * 4 + [1e-4]
    assert rates_so_far(training, 20, [1, 2, 3, 4], fallen[:4]) == [1e-3] * 4
    assert rates_so_far(training, 20, [1, 2, 3, 4, 5], fallen) == [1e-3] * 4 + [1e-4] * 4
    assert rates_so_far(training, 6, [1, 2, 3, 4, 5], fallen) == [1e-3] * 4 + [1e-4] * 2
    assert rates_so_far(training, 20, [3, 4, 5], [None, 1e-3, 1e-4]) == [1e-3] * 4 + [1e-4] * 4


@pytest.mark.parametrize(
    ("kind", "settings", "warmup", "total", "said"),
    [
        ("polynomial", {}, 0.99, 5, "the warm-up takes 5 of 5 steps, and polynomial would have none left to fall in"),
        ("polynomial", {}, 0.5, 5, ""),
        ("polynomial", {}, 0.5, 0, ""),
        (
            "warmup_stable_decay",
            {"num_decay_steps": 8},
            0.25,
            10,
            "warm-up and decay take 11 steps, and the run has 10",
        ),
        ("warmup_stable_decay", {"num_decay_steps": 8, "num_stable_steps": 0}, 0.25, 10, ""),
        ("linear", {}, 0.99, 5, ""),
    ],
)
def test_a_schedule_without_room_is_told(
    kind: str, settings: dict[str, Any], warmup: float, total: int, said: str
) -> None:
    training = recipe_of(kind, settings, warmup_ratio=warmup)
    assert why_no_room(training, total) == said
