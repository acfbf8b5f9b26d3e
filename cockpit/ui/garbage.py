"""When Python looks through the app's objects for cycles that nobody holds: while nobody types, where it takes long."""

from __future__ import annotations

import gc

THRESHOLDS = (5_000, 20, 1_000_000)
"""Of young objects more often than of all, which by themselves are never looked through: that held a frame up for 15 to
60 ms, once a second while a reply was drawn."""
COLLECT_EVERY_S = 60.0
QUIET_S = 5.0
"""Whoever has pressed no key for so long is not typing."""


def settle() -> None:
    """What there is now stays: the modules and their classes need not be looked through again."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


def collect(quiet_s: float) -> None:
    """Look through all else, where no key came for so many seconds."""
    if quiet_s > QUIET_S:
        gc.collect()
