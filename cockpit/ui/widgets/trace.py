"""Trace: a curve of any length, kept as the lowest and highest value of at most 1,024 stretches of steps."""

from __future__ import annotations

import math

STRETCHES = 512


class Trace:
    """Values by step, added in order of step. What a chart reads of it is bounded, however many there are."""

    def __init__(self) -> None:
        self._span = 1
        self._low: list[float] = []
        self._high: list[float] = []

    def add(self, step: int, value: float | None) -> None:
        """Take in the value of a step (0 or more). One that is None or no number leaves a gap."""
        if value is None or not math.isfinite(value):
            return
        at = step // self._span
        while at >= 2 * STRETCHES:
            self._halve()
            at = step // self._span
        gap = at - len(self._low) + 1
        if gap > 0:
            self._low += [math.inf] * gap
            self._high += [-math.inf] * gap
        self._low[at] = min(self._low[at], value)
        self._high[at] = max(self._high[at], value)

    def __bool__(self) -> bool:
        return bool(self._low)

    def bounds(self) -> tuple[float, float] | None:
        """Lowest and highest value, or None where there is none."""
        return (min(self._low), max(self._high)) if self._low else None

    def lowest_above_zero(self) -> float | None:
        """The smallest value that a log scale can show."""
        return min((value for value in (*self._low, *self._high) if 0 < value < math.inf), default=None)

    def columns(self, first: float, last: float, count: int) -> list[tuple[float, float] | None]:
        """Lowest and highest value in each of `count` equal columns, whose middles run from step `first` to `last`."""
        found: list[tuple[float, float] | None] = [None] * count
        scale = (count - 1) / (last - first)
        middle = (self._span - 1) / 2
        for at, (low, high) in enumerate(zip(self._low, self._high, strict=True)):
            if low > high:
                continue
            column = round((at * self._span + middle - first) * scale)
            if 0 <= column < count:
                there = found[column]
                found[column] = (min(low, there[0]), max(high, there[1])) if there else (low, high)
        return found

    def _halve(self) -> None:
        self._span *= 2
        self._low = [min(self._low[at : at + 2]) for at in range(0, len(self._low), 2)]
        self._high = [max(self._high[at : at + 2]) for at in range(0, len(self._high), 2)]
