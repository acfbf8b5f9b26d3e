"""Axes: where a value lies between bottom and top, at which round values that is labelled, and where a step lies."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

LARGEST, SMALLEST = 1e300, 1e-300
"""An axis ends there: beyond, arithmetic is no longer that of numbers."""


def round_step(span: float, count: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that divides `span` into at most `count` parts."""
    rough = span / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, labelled at `ticks`. With `log`, equal distances are equal factors; low is above 0 then."""

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    log: bool = False

    @classmethod
    def around(
        cls, low: float, high: float, ticks: int, *, log: bool = False, label: Callable[[float], str] | None = None
    ) -> Axis:
        """An axis that holds `low` to `high` and ends at round values, so that it changes seldom as a curve grows.

        At most about `ticks` values are labelled. `label` writes them, by default with as many decimals as they need.
        """
        if log and low > 0:
            low, high = (max(SMALLEST, min(value, LARGEST)) for value in (low, high))
            return cls._logarithmic(low, high, ticks, label)
        low, high = (max(-LARGEST, min(value, LARGEST)) for value in (low, high))
        if high - low <= max(abs(high) * 1e-9, SMALLEST):
            middle, half = (low + high) / 2, max(abs(high) * 0.1, 1e-9) if high else 0.5
            low, high = middle - half, middle + half
        step = round_step(high - low, ticks)
        fine = round_step(high - low, ticks * 4)
        bottom = math.floor(low / fine + 1e-9) * fine
        top = math.ceil(high / fine - 1e-9) * fine
        first = math.ceil(bottom / step - 1e-9)
        at = tuple(k * step for k in range(first, math.floor(top / step + 1e-9) + 1))
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        write = label or (lambda value: f"{value:,.{decimals}f}" if decimals < 5 else f"{value:.0e}")
        return cls(bottom, top, at, tuple(write(value) for value in at))

    @classmethod
    def _logarithmic(cls, low: float, high: float, ticks: int, label: Callable[[float], str] | None) -> Axis:
        def rounded(value: float, direction: Callable[[float], float]) -> float:
            power = 10.0 ** (math.floor(math.log10(value)) - 1)
            return direction(value / power) * power

        bottom, top = rounded(low, math.floor), rounded(high, math.ceil)
        if top <= bottom:
            bottom, top = bottom / 1.1, top * 1.1
        decades = range(math.floor(math.log10(bottom)), math.ceil(math.log10(top)) + 1)
        chosen: list[float] = []
        for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
            found = [10.0**k * factor for k in decades for factor in factors]
            found = [value for value in found if bottom * (1 - 1e-9) <= value <= top * (1 + 1e-9)]
            if chosen and len(found) > ticks:
                break
            chosen = found
        if len(chosen) < 2:
            chosen = [bottom, top]
        while len(chosen) > ticks + 1:
            chosen = chosen[::2]
        return cls(bottom, top, tuple(chosen), tuple((label or _short)(value) for value in chosen), log=True)

    def share(self, value: float) -> float:
        """Where `value` lies: 0 at the bottom, 1 at the top. On a log axis what is not above 0 lies at the bottom."""
        if self.log:
            if value <= 0:
                return 0.0
            bottom = math.log(self.low)
            return (math.log(value) - bottom) / (math.log(self.high) - bottom)
        return (value - self.low) / (self.high - self.low)

    def row(self, value: float, rows: int) -> int:
        """The row of `value` in `rows` rows that count from the top; values outside stay at the rim."""
        return round((1 - min(1.0, max(0.0, self.share(value)))) * (rows - 1))


@dataclass(frozen=True)
class StepAxis:
    """Steps `first` to `last`, which is later, in the middles of `dots` columns of dots: those of runs/table.py."""

    first: int
    last: int
    dots: int

    @property
    def steps_per_dot(self) -> float:
        """Steps from one column to the next."""
        return (self.last - self.first) / max(1, self.dots - 1)

    def dot(self, step: float) -> int:
        """The column of a step."""
        return math.floor((step - self.first) / self.steps_per_dot + 0.5)

    def step(self, dot: float) -> int:
        """The step in the middle of a column, or the nearest that is shown."""
        return max(self.first, min(self.last, round(self.first + dot * self.steps_per_dot)))

    def steps_beside(self, step: int) -> tuple[int, int]:
        """The first and the last step that lie in the same column as `step`."""
        dot, gaps = self.dot(step), 2 * max(1, self.dots - 1)
        begin, end = (self.first - (-by * (self.last - self.first) // gaps) for by in (2 * dot - 1, 2 * dot + 1))
        return min(step, max(self.first, begin)), max(step, min(self.last, end - 1))


def _short(value: float) -> str:
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.4g}"
