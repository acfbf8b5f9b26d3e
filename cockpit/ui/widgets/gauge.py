"""Gauge: what the gauges of the machine have in common: three lines, the last reading the present."""

from __future__ import annotations

from typing import Generic, TypeVar

from cockpit.ui.widgets.lines import Lines

LINES = 3
AT_THE_END, LAST_HEARD = " at the end", " when last heard of"
"""What a gauge's title says of a run that has ended, or whose engine is silent: nothing there is present any more."""
Reading = TypeVar("Reading")


class Gauge(Lines, Generic[Reading]):
    """Draws the last reading that it was given; nothing can be selected in it."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Gauge { height: auto; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._reading: Reading | None = None

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return LINES
