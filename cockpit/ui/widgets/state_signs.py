"""How the states of a run are drawn: a sign and a colour each; the sign alone tells good from bad."""

from __future__ import annotations

from cockpit.runs.status import State

STATE_SIGNS: dict[State, tuple[str, str]] = {
    "starting": ("◌", "$primary"),
    "running": ("●", "$primary"),
    "silent": ("?", "$warning"),
    "lost": ("?", "$error"),
    "damaged": ("!", "$error"),
    "completed": ("✓", "$success"),
    "stopped": ("■", "$foreground"),
    "failed": ("✗", "$error"),
    "out_of_memory": ("✗", "$error"),
}
