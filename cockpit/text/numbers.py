"""How a number is written, the same everywhere: units, thousands, – for what is not known, NaN for no finite number."""

from __future__ import annotations

import math

UNKNOWN = "–"
NOT_A_NUMBER = "NaN"
"""Infinite ones among them: a log does not tell them apart."""


def finite(value: float | None) -> float | None:
    """The number as JSON can hold it: None where it is not finite."""
    return value if value is not None and math.isfinite(value) else None


def count(value: float | None) -> str:
    """A whole number with thousands separators: 10,652."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def big_count(value: float) -> str:
    """A count of weights as people say it, in three digits: 8.03 B, 1.84 M, 256 k, 612."""
    for each, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= each:
            return f"{value / each:.3g} {unit}"
    return f"{value:.0f}"


def duration(seconds: float | None) -> str:
    """4 m 12 s; 2 h 05 m; 3 d 4 h; 12 s; below ten seconds with one decimal."""
    if seconds is None:
        return UNKNOWN
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} m"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def metric(value: float | None) -> str:
    """A loss or a norm with four significant digits, never in fewer places than they need: 1.284, 0.0312, 143.2."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return NOT_A_NUMBER
    size = abs(value)
    if size != 0 and (size < 0.001 or size >= 100_000):
        return learning_rate(value)
    return f"{value:.{max(0, 3 if size >= 1 else 4) if size < 100 else 1}f}"


def learning_rate(value: float | None) -> str:
    """1.18e-4, as people write it."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return NOT_A_NUMBER
    if value == 0:
        return "0"
    digits, exponent = f"{value:.2e}".split("e")
    return f"{digits}e{int(exponent)}"


def percent(share: float | None) -> str:
    """A share of 1 as whole percent, rounded down: 42 %. 100 % only when it is all."""
    if share is None:
        return UNKNOWN
    if share >= 1:
        return "100 %"
    return f"{min(99, int(share * 100 + 1e-9))} %"  # 0.29 * 100 is a little less than 29


def size(size_bytes: float | None) -> str:
    """38 MiB, 7.3 GiB, 612 KiB: binary multiples."""
    if size_bytes is None:
        return UNKNOWN
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} TiB"
