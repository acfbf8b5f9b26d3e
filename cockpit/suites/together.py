"""How many prompts are answered at once"""

from __future__ import annotations

MOST_ROWS = 32
"""Prompts."""
MOST_TOKENS = 65_536
"""Their tokens and those of their replies, padding among them."""


def rows_together(prompts: int, tokens: int) -> int:
    """Of so many prompts, each of so many `tokens` with its reply; one at least."""
    return max(1, min(prompts, MOST_ROWS, MOST_TOKENS // max(1, tokens)))
