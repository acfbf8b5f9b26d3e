"""The learning rate of every step before the run: plain arithmetic, equal to that of transformers' schedulers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cockpit.recipe.scheduler import FOLLOWS_EVALUATIONS
from cockpit.recipe.training import Training
from cockpit.recipe.worked_out import WorkedOut

PATIENCE = 10
"""Evaluations that reduce_lr_on_plateau and greedy wait for where the recipe does not say."""
TIMESCALE = 10_000
"""Steps of inverse_sqrt without a warm-up."""


def learning_rates(training: Training, total_steps: int) -> list[float]:
    """The learning rate that step 1, 2 ... `total_steps` takes, as the log of the run will say.

    Of a schedule that follows the evaluations only those up to the first one that can move it; empty where
    `why_no_room` says something.
    """
    if why_no_room(training, total_steps):
        return []
    kind, highest = training.lr_scheduler_type, training.learning_rate
    if kind in FOLLOWS_EVALUATIONS:
        return [highest] * min(total_steps, _steps_before_evaluations_count(training))
    factor = _factor_of(training, total_steps)
    return [highest * factor(step) for step in range(total_steps)]


class PlannedRates(WorkedOut):
    """`learning_rates`, each worked out when it is asked for: a chart of a million steps needs a few thousand."""

    def __init__(self, training: Training, total_steps: int) -> None:
        """Of a schedule that does not follow the evaluations."""
        self._highest, self._factor = training.learning_rate, _factor_of(training, total_steps)
        self._count = 0 if why_no_room(training, total_steps) else total_steps

    def __len__(self) -> int:
        return self._count

    def value(self, at: int) -> float:
        return self._highest * self._factor(at)


def warmup_steps(training: Training, total_steps: int) -> int:
    """Steps over which the learning rate rises; a share of all steps is rounded up."""
    if training.warmup_ratio is not None:
        return math.ceil(total_steps * training.warmup_ratio)
    return training.warmup_steps


def rates_so_far(
    training: Training, total_steps: int, steps: Sequence[int], measured: Sequence[float | None]
) -> list[float]:
    """Of a schedule that follows the evaluations, the rates that are known while the run goes on: those that `steps`
    were `measured` to take, and those up to the next evaluation that can move it."""
    known = learning_rates(training, total_steps)
    rates = list(known)
    for step, rate in zip(steps, measured, strict=False):
        if rate is not None and 0 < step <= total_steps:
            rates += [rates[-1] if rates else training.learning_rate] * (step - len(rates))
            rates[step - 1] = rate
    every, last = training.eval_steps or 1, steps[-1] if steps else 0
    if len(rates) == last and last % every:  # after a step that was evaluated the rate may be another
        rates += [rates[-1]] * (min(total_steps, last - last % every + every) - last)
    return rates


def _steps_before_evaluations_count(training: Training) -> int:
    """Steps that have passed when the evaluations can first move the rate."""
    patience = int(_settings(training).get("patience", PATIENCE))
    return (patience + 1) * (training.eval_steps or 1)


def why_no_room(training: Training, total_steps: int) -> str:
    """Why the schedule does not fit into so many steps, as the end of a sentence; empty where it does."""
    warmup, settings = warmup_steps(training, total_steps), _settings(training)
    if training.lr_scheduler_type == "polynomial" and total_steps and warmup >= total_steps:
        return f"the warm-up takes {warmup:,} of {total_steps:,} steps, and polynomial would have none left to fall in"
    if training.lr_scheduler_type == "warmup_stable_decay" and "num_stable_steps" not in settings:
        decay = settings["num_decay_steps"]
        if total_steps and warmup + decay > total_steps:
            return f"warm-up and decay take {warmup + decay:,} steps, and the run has {total_steps:,}"
    return ""


def _settings(training: Training) -> dict[str, Any]:
    return {} if training.lr_scheduler_kwargs is None else training.lr_scheduler_kwargs.given()


def _factor_of(training: Training, total: int) -> Callable[[int], float]:
    """What the highest learning rate is multiplied by after so many steps."""
    kind, settings, warmup = training.lr_scheduler_type, _settings(training), warmup_steps(training, total)
    if "min_lr" in settings:
        settings["min_lr_rate"] = settings.pop("min_lr") / training.learning_rate
    course = partial(_COURSES[kind], warmup=warmup, total=total, highest=training.learning_rate, **settings)
    if kind in ("constant", "warmup_stable_decay", "cosine_warmup_with_min_lr"):
        return course  # it has no warm-up, or one of its own
    return lambda done: done / max(1, warmup) if done < warmup else course(done)


# Each gives the factor after `done` steps, once the warm-up is over, of a run of `total` steps.


def _constant(done: int, **_: Any) -> float:
    return 1.0


def _linear(done: int, *, warmup: int, total: int, **_: Any) -> float:
    return max(0.0, (total - done) / max(1, total - warmup))


def _cosine(
    done: int, *, warmup: int, total: int, num_cycles: float = 0.5, min_lr_rate: float = 0.0, **_: Any
) -> float:
    progress = (done - warmup) / max(1, total - warmup)
    return max(0.0, _wave(num_cycles * 2.0 * progress) * (1 - min_lr_rate) + min_lr_rate)


def _restarts(done: int, *, warmup: int, total: int, num_cycles: float = 1.0, **_: Any) -> float:
    progress = (done - warmup) / max(1, total - warmup)
    return 0.0 if progress >= 1.0 else max(0.0, _wave((num_cycles * progress) % 1.0))


def _polynomial(
    done: int, *, warmup: int, total: int, highest: float, lr_end: float = 1e-7, power: float = 1.0
) -> float:
    left = 1 - (done - warmup) / (total - warmup)
    return float(((highest - lr_end) * left**power + lr_end) / highest)


def _inverse_sqrt(done: int, *, warmup: int, timescale: int | None = None, **_: Any) -> float:
    scale = timescale or warmup or TIMESCALE
    return 1.0 / math.sqrt((done + scale - warmup) / scale)


def _cosine_from_first_step(
    done: int,
    *,
    warmup: int,
    total: int,
    min_lr_rate: float,
    num_cycles: float = 0.5,
    warmup_lr_rate: float | None = None,
    **_: Any,
) -> float:
    if done < warmup:
        if warmup_lr_rate is None:
            return (done + 1) / max(1, warmup)
        return warmup_lr_rate + (1.0 - warmup_lr_rate) * done / max(1, warmup - 1)
    progress = (done - warmup + 1) / max(1, total - warmup)
    return max(0.0, _wave(num_cycles * 2.0 * progress) * (1 - min_lr_rate) + min_lr_rate)


def _warmup_stable_decay(
    done: int,
    *,
    warmup: int,
    total: int,
    num_decay_steps: int,
    num_stable_steps: int | None = None,
    warmup_type: str = "linear",
    decay_type: str = "cosine",
    min_lr_ratio: float = 0.0,
    num_cycles: float = 0.5,
    **_: Any,
) -> float:
    stable = total - warmup - num_decay_steps if num_stable_steps is None else num_stable_steps
    if done < warmup:
        share = done / max(1, warmup)
        shapes = {"linear": share, "cosine": 1.0 - _wave(share), "1-sqrt": 1.0 - math.sqrt(1.0 - share)}
        return max(0.0, shapes[warmup_type] * (1.0 - min_lr_ratio) + min_lr_ratio)
    if done < warmup + stable:
        return 1.0
    if done < warmup + stable + num_decay_steps:
        share = (done - warmup - stable) / max(1, num_decay_steps)
        shapes = {"linear": 1.0 - share, "cosine": _wave(num_cycles * 2.0 * share), "1-sqrt": 1.0 - math.sqrt(share)}
        return max(0.0, shapes[decay_type] * (1.0 - min_lr_ratio) + min_lr_ratio)
    return min_lr_ratio


def _wave(turns: float) -> float:
    """The cosine between 1 and 0, which falls once as `turns` goes from 0 to 1."""
    return 0.5 * (1.0 + math.cos(math.pi * turns))


_COURSES: dict[str, Callable[..., float]] = {
    "linear": _linear,
    "cosine": _cosine,
    "cosine_with_restarts": _restarts,
    "polynomial": _polynomial,
    "constant": _constant,
    "constant_with_warmup": _constant,
    "inverse_sqrt": _inverse_sqrt,
    "cosine_with_min_lr": _cosine,
    "cosine_warmup_with_min_lr": _cosine_from_first_step,
    "warmup_stable_decay": _warmup_stable_decay,
}
