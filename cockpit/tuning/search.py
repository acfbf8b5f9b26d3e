"""Which values a search tries next, by optuna's TPE, which is asked anew each time; and which trial is behind

Nothing is kept between two questions but the trials themselves, so that a search goes on after a reboot from its file
and the logs of its runs.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Literal

from cockpit.tuning.search_space import Range, Value, combinations

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

FIRST_AT_RANDOM = 4
"""Trials before what they have come to tells where to go on."""
FIRST_UNPRUNED = 3
"""Trials that are trained to their ends before any is stopped for being behind."""
ASKED = 16
"""How often optuna is asked for values that were not tried yet, before one of those that are left is drawn."""
Outcome = Literal["waits", "runs", "completed", "behind", "failed"]


@dataclass(frozen=True)
class Tried:
    """A trial. `measured` is the metric by step, as far as it is known; NaN where it is not a finite number."""

    values: dict[str, Value]
    outcome: Outcome
    measured: dict[int, float] = field(default_factory=dict)

    def best(self, *, more_is_better: bool) -> float | None:
        """The best that was measured; None before the first finite number."""
        finite = [value for value in self.measured.values() if math.isfinite(value)]
        return (max if more_is_better else min)(finite, default=None)


def next_values(
    space: Sequence[Range], tried: Sequence[Tried], *, more_is_better: bool, seed: int
) -> dict[str, Value] | None:
    """Of the next trial: none that were tried. The same for the same trials and seed; None where none are left."""
    known = [one.values for one in tried]
    study = _study(space, tried, more_is_better=more_is_better, seed=seed + len(tried))
    for _ in range(ASKED):
        chosen = study.ask({one.field: _distribution(one) for one in space}).params
        values = {one.field: _rounded(one, chosen[one.field]) for one in space}
        if values not in known:
            return values
    left = [values for values in combinations(space) if values not in known]
    return Random(seed + len(tried)).choice(left) if left else None


def _rounded(one: Range, value: Value) -> Value:
    """A real number with three digits, and still inside."""
    return min(max(float(f"{value:.3g}"), one.low), one.high) if isinstance(value, float) else value


def is_behind(others: Sequence[Tried], trial: Tried, *, more_is_better: bool) -> bool:
    """Whether the trial is worse than the median of the others at the same step, the last one that it was measured at;
    NaN is worse than any number. Of the others those count that were trained to their ends and measured there."""
    step = max(trial.measured, default=0)
    if step == 0:  # nothing is trained yet
        return False
    there = [
        _cost(one.measured[step], more_is_better)
        for one in others
        if one.outcome == "completed" and step in one.measured
    ]
    return len(there) >= FIRST_UNPRUNED and _cost(trial.measured[step], more_is_better) > median(there)


def _cost(value: float, more_is_better: bool) -> float:
    """The less, the better."""
    return math.inf if math.isnan(value) else -value if more_is_better else value


def _study(space: Sequence[Range], tried: Sequence[Tried], *, more_is_better: bool, seed: int) -> Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=FIRST_AT_RANDOM, multivariate=True, constant_liar=True, seed=seed
        )
    study = optuna.create_study(
        direction="maximize" if more_is_better else "minimize",
        sampler=sampler,
    )
    study.add_trials([_frozen(space, one, more_is_better=more_is_better) for one in tried])
    return study


def _frozen(space: Sequence[Range], trial: Tried, *, more_is_better: bool) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    value = trial.best(more_is_better=more_is_better)
    states = {"completed": TrialState.COMPLETE, "behind": TrialState.PRUNED, "failed": TrialState.FAIL}
    state = states.get(trial.outcome, TrialState.RUNNING)
    if state == TrialState.COMPLETE and value is None:
        state = TrialState.FAIL
    # A value that was asked for by hand need not lie in the range.
    inside = {one.field: trial.values[one.field] for one in space if one.holds(trial.values.get(one.field))}
    return create_trial(
        state=state,
        value=value if state == TrialState.COMPLETE else None,
        params={name: str(inside[name]) if _is_choice(space, name) else inside[name] for name in inside},
        distributions={one.field: _distribution(one) for one in space if one.field in inside},
        intermediate_values=dict(trial.measured),
    )


def _is_choice(space: Sequence[Range], name: str) -> bool:
    return any(one.field == name and one.choices for one in space)


def _distribution(one: Range) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if one.choices:
        return CategoricalDistribution(one.choices)
    if one.is_whole:
        return IntDistribution(int(one.low), int(one.high), log=one.is_log)
    return FloatDistribution(one.low, one.high, log=one.is_log)
