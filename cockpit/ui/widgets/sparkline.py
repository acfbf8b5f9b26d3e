"""A curve in one line of text, and the direction in which it goes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cockpit.ui.widgets.glyphs import glyphs


def sparkline(
    values: Sequence[float | None], width: int, *, low: float | None = None, high: float | None = None
) -> str:
    """`width` cells, each the mean of its share of `values`; blank on the left where there are fewer values.

    From `low` to `high`, by default the lowest and the highest mean. Gaps (None, no numbers) are left out.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    cells = min(width, len(known))
    if not cells:
        return " " * width
    count = len(known)
    means = []
    for cell in range(cells):
        part = known[cell * count // cells : (cell + 1) * count // cells]
        means.append(sum(part) / len(part))
    bottom = min(means) if low is None else low
    top = max(means) if high is None else high
    signs = glyphs().sparks
    if top <= bottom:
        return (signs[len(signs) // 2 - 1] * cells).rjust(width)
    steps = [min(1.0, max(0.0, (mean - bottom) / (top - bottom))) * (len(signs) - 1) for mean in means]
    return "".join(signs[round(step)] for step in steps).rjust(width)


def trend(values: Sequence[float | None], back: int = 10, still: float = 0.005) -> int | None:
    """1 up, -1 down, 0 still (by less than the share `still`), since `back` values before the last; None: unknown."""
    known = [value for value in values[-back - 1 :] if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return None
    change = known[-1] - known[0]
    if abs(change) <= still * max(abs(known[0]), 1e-12):
        return 0
    return 1 if change > 0 else -1
