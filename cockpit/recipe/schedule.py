"""Before the run: how many rows are trained on, and in how many steps. Plain arithmetic, equal to transformers' own."""

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
    sources = recipe.data.mixed().sources
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
