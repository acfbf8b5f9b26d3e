"""Numbers as a person writes them."""

from __future__ import annotations


def number_text(value: float | None) -> str:
    """As short as it can be written and read again: 0.0002 is 2e-4, 16.0 is 16, None is empty."""
    if value is None:
        return ""
    text = repr(value)
    if isinstance(value, int) or value == 0 or 1e-3 <= abs(value) < 1e15:
        return text.removesuffix(".0")
    digits, _, exponent = (text if "e" in text else f"{value:e}").partition("e")
    if not exponent:  # inf and nan
        return text
    short = (digits.rstrip("0").rstrip(".") if "." in digits else digits) + f"e{int(exponent)}"
    return short if float(short) == value else text
