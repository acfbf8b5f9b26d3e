"""Before the run: how many steps, and the learning rate at each. Plain arithmetic, equal to transformers' own."""

from __future__ import annotations

import math

from cockpit.recipe.data import Data
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.training import Training


def training_rows(recipe: Recipe, rows: int | None) -> int | None:
    """How many of the first source's `rows` are trained on: at most max_rows, without the held-out ones.

    None where that is not known: `rows` is None, or there are several sources.
    """
    taken = _taken_rows(recipe, rows)
    return None if taken is None else taken - held_out_count(taken, recipe.data)


def held_out_rows(recipe: Recipe, rows: int | None) -> int | None:
    """How many of the first source's `rows` are held out; None where `training_rows` is not known either."""
    taken = _taken_rows(recipe, rows)
    return None if taken is None else held_out_count(taken, recipe.data)


def _taken_rows(recipe: Recipe, rows: int | None) -> int | None:
    sources = recipe.data.sources
    return None if rows is None or len(sources) > 1 else min(rows, sources[0].max_rows or rows)


def held_out_count(rows: int, data: Data) -> int:
    """How many of `rows` rows are held out: the share asked for, or the number, of which a small file keeps most."""
    if data.eval_share is not None:
        return min(max(1, round(rows * data.eval_share)), rows - 1)
    return min(data.eval_rows, rows // 5)


def planned_steps(recipe: Recipe, train_rows: int | None) -> int | None:
    """Optimizer steps of the whole run on one GPU or the CPU, for `train_rows` rows without the held-out ones.

    None where it depends on the rows and they are not known; packing joins rows, so that they are not known before.
    """
    training = recipe.training
    if training.max_steps is not None:
        return training.max_steps
    per_epoch = _steps_per_epoch(training, train_rows)
    return None if per_epoch is None else math.ceil(training.num_train_epochs * per_epoch)


def planned_epochs(recipe: Recipe, train_rows: int | None) -> float | None:
    """How often the run sees each of `train_rows` rows; None where that is not known before it."""
    training = recipe.training
    if training.max_steps is None:
        return training.num_train_epochs
    per_epoch = _steps_per_epoch(training, train_rows)
    return None if per_epoch is None else training.max_steps / per_epoch


def _steps_per_epoch(training: Training, train_rows: int | None) -> int | None:
    if not train_rows or training.packing:
        return None
    batches = math.ceil(train_rows / training.per_device_train_batch_size)
    return math.ceil(batches / training.gradient_accumulation_steps)


def warmup_steps(training: Training, total_steps: int) -> int:
    """Steps over which the learning rate rises; a share of all steps is rounded up."""
    if training.warmup_ratio is not None:
        return math.ceil(total_steps * training.warmup_ratio)
    return training.warmup_steps


def learning_rates(training: Training, total_steps: int) -> list[float]:
    """The learning rate that step 1, 2 ... `total_steps` takes, as the log of the run will say."""
    warmup = warmup_steps(training, total_steps)
    return [training.learning_rate * _factor(training, step, warmup, total_steps) for step in range(total_steps)]


def _factor(training: Training, done: int, warmup: int, total: int) -> float:
    """Share of the highest learning rate after `done` steps."""
    kind = training.lr_scheduler_type
    if kind == "constant":
        return 1.0
    if done < warmup:
        return done / max(1, warmup)
    if kind == "constant_with_warmup":
        return 1.0
    left = max(1, total - warmup)
    if kind == "linear":
        return max(0.0, (total - done) / left)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * (done - warmup) / left)))
