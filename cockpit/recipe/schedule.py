"""Before the run: how many rows are trained on, and in how many steps. Plain arithmetic, equal to transformers' own."""

from __future__ import annotations

import math

from cockpit.recipe.data import Data
from cockpit.recipe.recipe import Recipe


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
    """Optimizer steps of the whole run on its GPUs or the CPU, for `train_rows` rows without the held-out ones.

    None where it depends on the rows and they are not known; packing joins rows, so that they are not known before.
    """
    training = recipe.training
    if training.max_steps is not None:
        return training.max_steps
    per_epoch = _steps_per_epoch(recipe, train_rows)
    return None if per_epoch is None else math.ceil(training.num_train_epochs * per_epoch)


def planned_epochs(recipe: Recipe, train_rows: int | None) -> float | None:
    """How often the run sees each of `train_rows` rows; None where that is not known before it."""
    training = recipe.training
    if training.max_steps is None:
        return training.num_train_epochs
    per_epoch = _steps_per_epoch(recipe, train_rows)
    return None if per_epoch is None else training.max_steps / per_epoch


def _steps_per_epoch(recipe: Recipe, train_rows: int | None) -> int | None:
    training = recipe.training
    if not train_rows or training.packing:
        return None
    batches = math.ceil(train_rows / training.per_device_train_batch_size)
    return math.ceil(math.ceil(batches / recipe.hardware.ranks) / training.gradient_accumulation_steps)


def effective_batch(recipe: Recipe) -> int:
    """Rows of an optimizer step, of all GPUs together."""
    training = recipe.training
    return training.per_device_train_batch_size * training.gradient_accumulation_steps * recipe.hardware.ranks


def accumulation_for(recipe: Recipe, devices: int) -> int:
    """The accumulation with which so many GPUs take as many rows a step as the recipe does now. Raises ValueError with
    a sentence where no number of micro-batches does."""
    rows, micro = effective_batch(recipe), recipe.training.per_device_train_batch_size
    steps, left = divmod(rows, micro * devices)
    if left or not steps:
        *fewer, last = [str(number) for number in range(1, 17) if rows % (micro * number) == 0]
        raise ValueError(
            f"A step has {rows:,} rows, which {devices} GPUs cannot share with {micro:,} at a time; "
            f"give {' or '.join(filter(None, (', '.join(fewer), last)))}, or start a new run."
        )
    return steps


def batches_text(recipe: Recipe, times: str = "×") -> str:
    """`2 × 4`: micro-batch and accumulation, and where several train together `2 × 4 × 2 GPUs`."""
    training, hardware = recipe.training, recipe.hardware
    text = f"{training.per_device_train_batch_size} {times} {training.gradient_accumulation_steps}"
    if hardware.ranks == 1:
        return text
    return f"{text} {times} {hardware.ranks} {'processes' if hardware.gpu.strip().lower() == 'none' else 'GPUs'}"
