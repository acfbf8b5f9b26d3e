"""A curve in a few characters, for a message that is read elsewhere"""

from __future__ import annotations

import math
from collections.abc import Sequence

SIGNS = "▁▂▃▄▅▆▇█"


def sparks(values: Sequence[float], width: int = 12) -> str:
    """The means of at most `width` equal parts of the values, from the lowest to the highest; empty without any."""
    known = [value for value in values if math.isfinite(value)]
    cells = min(width, len(known))
    means = []
    for cell in range(cells):
        part = known[cell * len(known) // cells : (cell + 1) * len(known) // cells]
        means.append(sum(part) / len(part))
    low, high = min(means, default=0.0), max(means, default=0.0)
    reach = (high - low) or 1.0
    return "".join(SIGNS[round((mean - low) / reach * (len(SIGNS) - 1))] for mean in means)
