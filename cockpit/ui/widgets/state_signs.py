"""How the states of a run are drawn: a sign and a colour each; the sign alone tells good from bad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from cockpit.runs.status import State
from cockpit.ui.widgets.glyphs import glyphs

if TYPE_CHECKING:
    from cockpit.protocol.events import WatchdogFired

GRAVE = ("loss_nan",)
"""Watchdogs whose sign means that the weights are spoilt, whatever is done about it."""


def state_sign(state: State) -> tuple[str, str]:
    """The sign of a state, in this terminal's signs, and its colour."""
    signs = glyphs()
    found: dict[State, tuple[str, str]] = {
        "starting": (signs.wait, "$primary"),
        "running": (signs.current, "$primary"),
        "silent": ("?", "$warning"),
        "lost": ("?", "$error"),
        "damaged": ("!", "$error"),
        "completed": (signs.done, "$success"),
        "stopped": (signs.stopped, "$foreground"),
        "failed": (signs.failed, "$error"),
        "out_of_memory": (signs.failed, "$error"),
    }
    return found[state]


def alarm_level(alarms: Mapping[str, WatchdogFired]) -> Literal["", "warning", "error"]:
    """How bad the signs are that are on: error where one has paused or ends the run, or the weights are spoilt."""
    if any(alarm.action != "warn" or alarm.watchdog in GRAVE for alarm in alarms.values()):
        return "error"
    return "warning" if alarms else ""
