"""LossCourse: what a chart of the loss reads of a run: which values it shows, how it smooths, what lies at a step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cockpit.runs.steps import Steps
from cockpit.runs.table import Extent, Table
from cockpit.ui.widgets.value_range import without_outliers

LOSS, HELD_OUT, RATE = "loss", "eval_loss", "learning_rate"
SMOOTHED_OVER = 16
"""One in so many of the steps that are shown is what the smoothed loss is a mean of, before it is rounded down."""
SAMPLED = 2048
"""Losses that outliers are looked for among."""
SAMPLED_ANEW = 64
"""They are looked for again once there is one more step for so many."""


def smoothing_span(steps: int) -> int:
    """How many steps, around each, the smoothed loss is the mean of where so many are shown: the span grows with them,
    so it neither lags in a short run nor trembles in a long one. 1, 2, 3, 5, 7, 10, 15, 20 ..."""
    wanted = max(1, steps // SMOOTHED_OVER)
    power = 10 ** (len(str(wanted)) - 1)
    return max(int(power * factor) for factor in (1, 1.5, 2, 3, 5, 7) if power * factor <= wanted)


@dataclass(frozen=True)
class ShownLosses:
    """From the lowest to the highest loss that is shown, and those furthest beyond; None: there is none beyond."""

    low: float
    high: float
    below: float | None
    above: float | None


@dataclass(frozen=True)
class Reading:
    """What was measured at a step; None where it was not. `among` are the lowest and the highest loss of the steps that
    are drawn with it, `held_out` the last evaluation up to it: its step and loss."""

    step: int
    loss: float | None
    among: Extent | None
    smoothed: float | None
    held_out: tuple[int, float] | None
    rate: float | None


class LossCourse:
    """Steps and evaluations of a run, which may grow."""

    def __init__(self, steps: Steps, held_out: Table) -> None:
        self.steps, self.held_out = steps, held_out
        self._bounds: Extent | None = None
        self._bounds_of: tuple[int, int, bool, int] | None = None
        """Steps, scale and rows that `_bounds` were worked out for."""

    def span(self, first: int, last: int) -> int:
        """How many steps the smoothed loss is the mean of where these are shown."""
        begin, end = self.steps.rows(first, last)
        return smoothing_span(end - begin)

    def newest_smoothed(self, first: int, last: int) -> float | None:
        """The smoothed loss of the newest step; None where it has none, or is not among these."""
        newest = self.steps.newest_step
        if not first <= newest <= last or not self._is_finite_at(newest):
            return None
        return self.steps.mean_around(LOSS, newest, self.span(first, last))

    def shown(self, first: int, last: int, *, log: bool, clips: bool) -> ShownLosses | None:
        """Which losses a chart of these steps shows: without outliers where it `clips`, and on a `log` scale only those
        above 0. None where there is none."""
        tables = ((self.steps, LOSS), (self.held_out, HELD_OUT))
        found = [extent for table, name in tables if (extent := table.extent(name, first, last))]
        bounds = self._bounds_for(first, last, log)
        if not found or bounds is None:
            return None
        lowest, highest = min(low for low, _ in found), max(high for _, high in found)
        if clips:
            always = [self.newest_smoothed(first, last), self._newest_held_out(first, last)]
            values = [*bounds, *(value for value in always if value is not None and (value > 0 or not log))]
            low, high = min(values), max(values)
        else:
            low, high = (lowest if lowest > 0 or not log else bounds[0]), highest
        return ShownLosses(low, high, lowest if lowest < low else None, highest if highest > high else None)

    def reading(self, step: int, among: tuple[int, int], shown: tuple[int, int]) -> Reading:
        """What lies at `step`, where the steps `among` are drawn in one column, and all `shown`."""
        steps, held_out = self.steps, self.held_out
        first, last = steps.rows(*among)
        before = held_out.step.row_from(step + 1) - 1
        measured = held_out.step[before] if before >= 0 else None
        loss = held_out.value_at(HELD_OUT, measured) if measured is not None else None
        return Reading(
            step,
            steps.value_at(LOSS, step),
            steps.extent(LOSS, *among) if last - first > 1 else None,
            steps.mean_around(LOSS, step, self.span(*shown)) if self._is_finite_at(step) else None,
            (measured, loss) if measured is not None and loss is not None else None,
            steps.value_at(RATE, step),
        )

    def not_finite(self) -> tuple[int, int | None]:
        """How many steps have a loss that is not a finite number, and the first of those that the newest step is one
        of; None where it has a finite one."""
        column = self.steps.column(LOSS)
        if column is None:
            return 0, None
        since = column.broken_since()
        return column.broken_count(), self.steps.step[since] if since is not None else None

    def _is_finite_at(self, step: int) -> bool:
        loss = self.steps.value_at(LOSS, step)
        return loss is not None and math.isfinite(loss)

    def _newest_held_out(self, first: int, last: int) -> float | None:
        newest = self.held_out.newest_step
        loss = self.held_out.value_at(HELD_OUT, newest) if first <= newest <= last else None
        return loss if loss is not None and math.isfinite(loss) else None

    def _bounds_for(self, first: int, last: int, log: bool) -> Extent | None:
        rows = len(self.steps) + len(self.held_out)
        known = self._bounds_of
        if known is not None and known[:3] == (first, last, log):
            many = known[3]
            if many > SAMPLED and many <= rows < many + many // SAMPLED_ANEW:
                return self._bounds
        values = [*self.steps.sample(LOSS, first, last, SAMPLED), *self.held_out.sample(HELD_OUT, first, last)]
        self._bounds, self._bounds_of = without_outliers(values, log=log), (first, last, log, rows)
        return self._bounds
