"""What a search varies: fields of a recipe, each over a range or a list of values"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from cockpit.text.plain_text import plain_line

MOST_LISTED = 10_000
"""Combinations of a space that are gone through one by one."""
WIDE = 10.0
"""A range whose ends lie further apart than so many times is gone through by factors, as learning rates are."""
Value = int | float | str


@dataclass(frozen=True)
class Range:
    """A field's values: those of `choices`, or, where these are empty, from `low` to `high`. `is_whole`: integers."""

    field: str
    low: float = 0.0
    high: float = 0.0
    is_whole: bool = False
    choices: tuple[str, ...] = ()

    @property
    def is_log(self) -> bool:
        """Whether it is gone through by factors."""
        return self.low > 0 and self.high / self.low >= WIDE

    def holds(self, value: object) -> bool:
        """Whether a value lies in it."""
        if self.choices:
            return str(value) in self.choices
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    @property
    def listed(self) -> Sequence[Value]:
        """All its values; none where they are too many, as real numbers are."""
        if self.choices:
            return self.choices
        return range(int(self.low), int(self.high) + 1) if self.is_whole else ()


def combinations(space: Sequence[Range]) -> Iterator[dict[str, Value]]:
    """All that a space holds, field by value; none where they are too many to be gone through."""
    if math.prod(len(one.listed) for one in space) <= MOST_LISTED:
        for values in product(*(one.listed for one in space)):
            yield {one.field: value for one, value in zip(space, values, strict=True)}


def space_of(given: Sequence[str]) -> list[Range]:
    """Of `KEY=LOW..HIGH` and `KEY=A,B,C`. Raises ValueError with a sentence."""
    found: dict[str, Range] = {}
    for text in given:
        field, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not field or not values:
            raise ValueError(f"--over {plain_line(text)} names no values; write KEY=LOW..HIGH or KEY=A,B,C.")
        if field in found:
            raise ValueError(f"--over names {plain_line(field)} twice; give all its values in one.")
        found[field] = _range(text, field, values)
    return list(found.values())


def _range(text: str, field: str, values: str) -> Range:
    low, dots, high = values.partition("..")
    if not dots:
        choices = tuple(dict.fromkeys(one.strip() for one in values.split(",") if one.strip()))
        if len(choices) < 2:
            raise ValueError(f"--over {plain_line(text)} has one value alone; give it with --set.")
        return Range(field, choices=choices)
    try:
        ends = float(low), float(high)
    except ValueError:
        raise ValueError(f"--over {plain_line(text)}: the ends of a range are numbers, as in 1e-5..1e-3.") from None
    if not all(map(math.isfinite, ends)) or ends[0] >= ends[1]:
        raise ValueError(f"--over {plain_line(text)}: the lower end comes first, and is below the other.")
    is_whole = low.strip().lstrip("-").isdecimal() and high.strip().lstrip("-").isdecimal()
    return Range(field, *ends, is_whole=is_whole)


def setting_of(field: str, value: Value) -> str:
    """As --set takes it: training.learning_rate=2.3e-4."""
    return f"{field}={value:.3g}" if isinstance(value, float) else f"{field}={value}"
