"""How a run stands: the states that a run can be in, and whether it is still active."""

from __future__ import annotations

from typing import Literal

State = Literal["starting", "running", "silent", "lost", "completed", "stopped", "failed", "out_of_memory"]
"""running and the ones before it: as the engine's liveness says; the others: as the run ended."""


def is_active(state: State) -> bool:
    """Whether more may come of the training: its engine runs, is about to, or is merely not heard of."""
    return state in ("starting", "running", "silent")
