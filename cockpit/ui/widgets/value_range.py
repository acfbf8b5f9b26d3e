"""Which values a chart shows where a few outliers would leave no room for all the others."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

OUTSIDE = 0.01
"""The share of the values, at each end, that may be outliers."""
FEWEST = 10
"""Values for each that may be an outlier where there are few: one of ten, two of twenty and more."""
MARGIN = 3.0
"""How far from the others an outlier lies at least, in their ranges: with it they would have less than a quarter of the
height."""


def without_outliers(values: Iterable[float], *, log: bool = False) -> tuple[float, float] | None:
    """The lowest and the highest of these finite values that is no outlier; None where there is none.

    Outliers are among the few lowest or highest, and far from all others. With `log` distances are factors, and values
    that are not above 0 are left out.
    """
    ordered = sorted(values)
    if log:
        ordered = ordered[bisect_right(ordered, 0.0) :]
    if not ordered:
        return None
    few = min(2, len(ordered) // FEWEST)
    few = max(few, math.ceil(OUTSIDE * len(ordered)) if few else 0)
    scale = math.log if log else float
    low, high = scale(ordered[few]), scale(ordered[-1 - few])
    if low == high:
        return ordered[0], ordered[-1]
    reach = (high - low) * MARGIN
    begin = bisect_left(ordered, low - reach, key=scale)
    return ordered[begin], ordered[bisect_right(ordered, high + reach, key=scale) - 1]
