"""Whether a figure falls or rises, told only where the noise of its values does not explain it."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

FEWEST = 3
"""Values in each half."""
NOISE = 2.0
"""Standard errors of the difference of both halves that it has to be above."""
STILL = 0.005
"""The change that is none, as a share of the value."""


def direction(values: Sequence[float]) -> int | None:
    """1 where the later half of these finite values is higher than the half before, -1 where it is lower, 0 where
    neither can be told; None where they are too few."""
    half = len(values) // 2
    if half < FEWEST:
        return None
    before, after = values[-2 * half : -half], values[-half:]
    usual, now = sum(before) / half, sum(after) / half
    change = now - usual
    spread = sum((value - usual) ** 2 for value in before) + sum((value - now) ** 2 for value in after)
    noise = sqrt(spread / half / half)
    if abs(change) <= max(NOISE * noise, STILL * abs(usual)):
        return 0
    return 1 if change > 0 else -1
