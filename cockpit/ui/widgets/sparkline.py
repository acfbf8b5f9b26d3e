"""A curve in one line of text, and the direction in which it goes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cockpit.ui.widgets.glyphs import glyphs


def sparkline(
    values: Sequence[float | None], width: int, *, low: float | None = None, high: float | None = None
) -> str:
    """`width` cells, each the mean of its share of `values`; blank on the left where there are fewer values.

    From `low` to `high`, by default the lowest and the highest mean. What is None is left out; a cell that holds what
    is not a finite number says so.
    """
    known = [value for value in values if value is not None]
    cells = min(width, len(known))
    if not cells:
        return " " * width
    count = len(known)
    means = []
    for cell in range(cells):
        part = known[cell * count // cells : (cell + 1) * count // cells]
        means.append(sum(part) / len(part))
    finite = [mean for mean in means if math.isfinite(mean)]
    bottom = min(finite, default=0.0) if low is None else low
    top = max(finite, default=0.0) if high is None else high
    signs, broken = glyphs().sparks, glyphs().broken

    def sign(mean: float) -> str:
        if not math.isfinite(mean):
            return broken
        if top <= bottom:
            return signs[len(signs) // 2 - 1]
        return signs[round(min(1.0, max(0.0, (mean - bottom) / (top - bottom))) * (len(signs) - 1))]

    return "".join(map(sign, means)).rjust(width)


def trend(values: Sequence[float | None], back: int = 10, still: float = 0.005) -> int | None:
    """1 up, -1 down, 0 still (by less than the share `still`), since `back` values before the last; None: unknown."""
    if values and values[-1] is not None and not math.isfinite(values[-1]):
        return None
    known = [value for value in values[-back - 1 :] if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return None
    change = known[-1] - known[0]
    if abs(change) <= still * max(abs(known[0]), 1e-12):
        return 0
    return 1 if change > 0 else -1
