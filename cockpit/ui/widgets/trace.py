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
        self._broken: list[bool] = []
        """Where a value is not a finite number."""

    def add(self, step: int, value: float | None) -> None:
        """Take in the value of a step (0 or more). None leaves a gap; what is not a finite number breaks the curve."""
        if value is None:
            return
        at = step // self._span
        while at >= 2 * STRETCHES:
            self._halve()
            at = step // self._span
        gap = at - len(self._low) + 1
        if gap > 0:
            self._low += [math.inf] * gap
            self._high += [-math.inf] * gap
            self._broken += [False] * gap
        if not math.isfinite(value):
            self._broken[at] = True
            return
        self._low[at] = min(self._low[at], value)
        self._high[at] = max(self._high[at], value)

    def __bool__(self) -> bool:
        return bool(self._low)

    def bounds(self) -> tuple[float, float] | None:
        """Lowest and highest value, or None where there is none."""
        low, high = min(self._low, default=math.inf), max(self._high, default=-math.inf)
        return (low, high) if low <= high else None

    def lowest_above_zero(self) -> float | None:
        """The smallest value that a log scale can show."""
        return min((value for value in (*self._low, *self._high) if 0 < value < math.inf), default=None)

    def columns(self, first: float, last: float, count: int) -> list[tuple[float, float] | None]:
        """Lowest and highest value in each of `count` equal columns, whose middles run from step `first` to `last`."""
        found: list[tuple[float, float] | None] = [None] * count
        for at, (low, high) in enumerate(zip(self._low, self._high, strict=True)):
            if low > high:
                continue
            column = self._column(at, first, last, count)
            if 0 <= column < count:
                there = found[column]
                found[column] = (min(low, there[0]), max(high, there[1])) if there else (low, high)
        return found

    def breaks(self, first: float, last: float, count: int) -> list[int]:
        """Those of the same columns, ascending, that hold what is not a finite number."""
        found = {self._column(at, first, last, count) for at, broken in enumerate(self._broken) if broken}
        return sorted(column for column in found if 0 <= column < count)

    def _column(self, at: int, first: float, last: float, count: int) -> int:
        return round((at * self._span + (self._span - 1) / 2 - first) * ((count - 1) / (last - first)))

    def _halve(self) -> None:
        self._span *= 2
        self._broken = [any(self._broken[at : at + 2]) for at in range(0, len(self._broken), 2)]
        self._low = [min(self._low[at : at + 2]) for at in range(0, len(self._low), 2)]
        self._high = [max(self._high[at : at + 2]) for at in range(0, len(self._high), 2)]
