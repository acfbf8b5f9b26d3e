"""Before the run: how many rows are trained on, and in how many steps. Plain arithmetic, equal to the trainers' own."""

from __future__ import annotations

import math

from cockpit.recipe.data import Data, RowFormat
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


def trainer_rows(recipe: Recipe, train_rows: int | None, form: RowFormat | None) -> int | None:
    """How many rows the trainer has of `train_rows` rows of the data, which are of the `form`: two of a pair that is
    taken apart. None where that is not known."""
    if train_rows is None or form is None:
        return None
    return train_rows * recipe.kind.trainer_rows(form)


def planned_steps(recipe: Recipe, train_rows: int | None) -> int | None:
    """Optimizer steps of the whole run on its GPUs or the CPU, for `train_rows` rows as the trainer has them, without
    the held-out ones.

    None where it depends on the rows and they are not known; packing joins rows, so that they are not known before.
    """
    training = recipe.training
    if training.max_steps is not None:
        return training.max_steps
    per_epoch = _known_steps_per_epoch(recipe, train_rows)
    return None if per_epoch is None else math.ceil(training.num_train_epochs * per_epoch)


def planned_epochs(recipe: Recipe, train_rows: int | None) -> float | None:
    """How often the run sees each of `train_rows` rows as the trainer has them; None where that is not known before
    it."""
    training = recipe.training
    if training.max_steps is None:
        return training.num_train_epochs
    per_epoch = _known_steps_per_epoch(recipe, train_rows)
    return None if not per_epoch else training.max_steps / per_epoch


def _known_steps_per_epoch(recipe: Recipe, train_rows: int | None) -> int | None:
    return None if not train_rows or recipe.training.packing else steps_per_epoch(recipe, train_rows)


def steps_per_epoch(recipe: Recipe, rows: int) -> int:
    """Optimizer steps of a pass over `rows` rows as the trainer has them, packed where they are.

    grpo draws several completions of each prompt, takes `grpo.num_iterations` steps on them, and leaves prompts out
    that fill no step, as TRL's RepeatSampler does: 0 where there are fewer than one step takes.
    """
    training = recipe.training
    if recipe.method == "grpo":
        return rows // prompts_of_step(recipe) * recipe.grpo.num_iterations
    batches = math.ceil(rows / training.per_device_train_batch_size)
    return math.ceil(math.ceil(batches / recipe.hardware.ranks) / training.gradient_accumulation_steps)


def prompts_of_step(recipe: Recipe) -> int:
    """How many prompts' completions an optimizer step of grpo takes."""
    return effective_batch(recipe) // recipe.grpo.num_generations


def why_too_few(recipe: Recipe, rows: int) -> str:
    """Why nothing would be learnt from so many rows as the trainer has them; empty where something is."""
    if not rows or steps_per_epoch(recipe, rows):
        return ""
    there = "is 1" if rows == 1 else f"are {rows:,}"
    return f"a step takes the completions of {prompts_of_step(recipe):,} prompts, and there {there} to train on"


def effective_batch(recipe: Recipe) -> int:
    """Rows of an optimizer step, of all GPUs together; with grpo they are completions."""
    training = recipe.training
    return training.per_device_train_batch_size * training.gradient_accumulation_steps * recipe.hardware.ranks


def rows_name(recipe: Recipe) -> str:
    """What the rows of a step are."""
    return recipe.kind.step_unit or recipe.kind.unit


def step_text(recipe: Recipe) -> str:
    """`32 rows`, and with grpo `32 completions of 4 prompts`."""
    text = f"{effective_batch(recipe):,} {rows_name(recipe)}"
    if recipe.method != "grpo":
        return text
    prompts = prompts_of_step(recipe)
    return f"{text} of {prompts:,} prompt{'s' * (prompts != 1)}"


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
