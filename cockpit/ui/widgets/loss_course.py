"""LossCourse: what a chart of the loss, or of another main figure, reads of a run: which values it shows, how it
smooths, what lies at a step."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from cockpit.runs.steps import Steps
from cockpit.runs.table import Extent, Table, Total
from cockpit.ui.widgets.axis import StepAxis
from cockpit.ui.widgets.value_range import without_outliers

RATE = "learning_rate"
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

    def holds(self, loss: float) -> bool:
        """Whether a loss is among them."""
        return self.low <= loss <= self.high


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

    def __init__(self, steps: Steps, held_out: Table, figure: str = "loss") -> None:
        self.steps, self.held_out = steps, held_out
        self.figure, self.measured = figure, f"eval_{figure}"
        """What is drawn of a step, and of the held-out rows."""
        self._sample: list[float] = []
        self._sample_of: tuple[int, int, int] = (0, 0, 0)
        """The steps that are sampled, and how many rows there were."""

    def span(self, first: int, last: int) -> int:
        """How many steps the smoothed loss is the mean of where these are shown."""
        begin, end = self.steps.rows(first, last)
        return smoothing_span(end - begin)

    def smoothed(self, axis: StepAxis, shown: ShownLosses) -> list[float | None]:
        """The smoothed loss in each column of dots; None where no loss is a finite number.

        It is the mean of the steps on both sides, so that it does not lag. Outliers, which are not `shown`, are left
        out, but for the newest steps, of which nobody knows yet whether they are any.
        """
        totals = self.steps.totals(self.figure, axis.first, axis.last, axis.dots)
        newest = max((at for at, total in enumerate(totals) if total), default=0)
        all_of = _Running(totals)
        usual = _Running([total if total and shown.holds(total[0] / total[1]) else None for total in totals])
        span = self.span(axis.first, axis.last)
        reach = max(0, round(span / axis.steps_per_dot / 2 - 0.5))

        def mean(at: int) -> float | None:
            begin, end = max(0, at - reach), min(newest, at + reach) + 1
            if at + reach > newest:
                return all_of.mean(all_of.begin_of(span // 2, begin, end), end)
            found = usual.mean(begin, end)
            return all_of.mean(begin, end) if found is None else found

        return [mean(at) if total else None for at, total in enumerate(totals)]

    def shown(self, first: int, last: int, *, log: bool, clips: bool) -> ShownLosses | None:
        """Which losses a chart of these steps shows: without outliers where it `clips`, and on a `log` scale only those
        above 0. None where there is none."""
        tables = ((self.steps, self.figure), (self.held_out, self.measured))
        found = [extent for table, name in tables if (extent := table.course_extent(name, first, last))]
        if not found:
            return None
        lowest, highest = min(low for low, _ in found), max(high for _, high in found)
        sample = self._sampled(first, last)
        bounds = without_outliers(sample if len(sample) < SAMPLED // 2 else [*sample, lowest, highest], log=log)
        if bounds is None:
            return None
        if clips:
            newest = self._newest_held_out(first, last)
            values = [*bounds, *([newest] if newest is not None and (newest > 0 or not log) else [])]
            low, high = min(values), max(values)
        else:
            low, high = (lowest if lowest > 0 or not log else bounds[0]), highest
        return ShownLosses(low, high, lowest if lowest < low else None, highest if highest > high else None)

    def reading(self, step: int, among: tuple[int, int], smoothed: float | None) -> Reading:
        """What lies at `step`, where the steps `among` are drawn in one column, at this smoothed loss."""
        steps, held_out = self.steps, self.held_out
        first, last = steps.rows(*among)
        before = held_out.step.row_from(step + 1) - 1
        measured = held_out.step[before] if before >= 0 else None
        loss = held_out.value_at(self.measured, measured) if measured is not None else None
        return Reading(
            step,
            steps.value_at(self.figure, step),
            steps.extent(self.figure, *among) if last - first > 1 else None,
            smoothed,
            (measured, loss) if measured is not None and loss is not None else None,
            steps.value_at(RATE, step),
        )

    def not_finite(self) -> tuple[int, int | None]:
        """How many steps have a loss that is not a finite number, and the first of those that the newest step is one
        of; None where it has a finite one."""
        column = self.steps.column(self.figure)
        if column is None:
            return 0, None
        since = column.broken_since()
        return column.broken_count(), self.steps.step[since] if since is not None else None

    def _newest_held_out(self, first: int, last: int) -> float | None:
        newest = self.held_out.newest_step
        loss = self.held_out.value_at(self.measured, newest) if first <= newest <= last else None
        return loss if loss is not None and math.isfinite(loss) else None

    def _sampled(self, first: int, last: int) -> list[float]:
        """Losses of these steps, of both kinds: all of a short run, of a long one those of a while ago."""
        rows, (known_first, known_last, known_rows) = len(self.steps) + len(self.held_out), self._sample_of
        is_fresh = known_rows > SAMPLED and known_rows <= rows < known_rows + known_rows // SAMPLED_ANEW
        if (known_first, known_last) != (first, last) or not is_fresh:
            losses = self.steps.sample(self.figure, first, last, SAMPLED) + self.held_out.sample(
                self.measured, first, last
            )
            self._sample, self._sample_of = sorted(losses), (first, last, rows)
        return self._sample


class _Running:
    """Sums over any columns of dots."""

    def __init__(self, totals: Sequence[Total | None]) -> None:
        self._sums = [0.0, *accumulate(total[0] if total else 0.0 for total in totals)]
        self._counts = [0, *accumulate(total[1] if total else 0 for total in totals)]

    def mean(self, begin: int, end: int) -> float | None:
        """The mean in columns `begin` to `end`, the latter left out; None where nothing is there."""
        count = self._counts[end] - self._counts[begin]
        return (self._sums[end] - self._sums[begin]) / count if count else None

    def begin_of(self, count: int, begin: int, end: int) -> int:
        """`begin`, or where so many values up to `end` begin, if that is further left."""
        return max(0, min(begin, bisect_right(self._counts, self._counts[end] - count) - 1))
