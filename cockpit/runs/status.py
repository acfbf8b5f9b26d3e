"""How a run stands: the states that a run can be in, and whether it is still active."""

from __future__ import annotations

from typing import Literal

State = Literal[
    "starting", "running", "silent", "lost", "damaged", "completed", "stopped", "failed", "out_of_memory"
]  # fmt: skip
"""starting, running, silent, lost: as the engine's liveness says. damaged: lines of its log hold what no engine writes,
so that what is known of it may be wrong. The others: as the run ended."""
MOST_TRIES = 3
"""How often a lost run is taken up by itself; what kills an engine again and again kills the next one too."""


def is_resumable(state: State) -> bool:
    """Whether it is worth asking for a resume: the run has ended, or its engine may have without having said so."""
    return state == "silent" or not is_active(state)


def is_active(state: State) -> bool:
    """Whether more may come of the training: its engine runs, is about to, or is merely not heard of."""
    return state in ("starting", "running", "silent")
