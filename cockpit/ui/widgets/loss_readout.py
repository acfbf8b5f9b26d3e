"""What is written of a step that is read in the chart of the loss, in as much room as there is."""

from __future__ import annotations

from textual.content import Content

from cockpit.text.numbers import count, learning_rate, metric
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.loss_course import Reading

GAP = 3
"""Cells between two figures."""
DETAILS = ("among", "held out at", "rate", "smoothed")
"""What is left out where there is no room, in this order."""


def readout(found: Reading, called: str, cells: int) -> list[Content]:
    """The figures of a step, of which the first is `called` so, in at most `cells` cells where that is possible."""
    said: list[Content] = []
    for left_out in range(len(DETAILS) + 1):
        said = _said(found, called, DETAILS[left_out:])
        if sum(figure.cell_length + GAP for figure in said) - GAP <= cells:
            break
    return said


def _said(found: Reading, called: str, details: tuple[str, ...]) -> list[Content]:
    value = f"{called} {metric(found.loss)}"
    if found.among is not None and "among" in details:
        value += f" ({metric(found.among[0])} to {metric(found.among[1])})"
    said = [Content(f"step {count(found.step)}"), Content(value)]
    if "smoothed" in details:
        said.append(Content.styled(f"smoothed {metric(found.smoothed)}", "bold"))
    if found.held_out is not None:
        at, measured = found.held_out
        where = f" at {count(at)}" if at != found.step and "held out at" in details else ""
        said.append(Content.styled(f"{glyphs().mark} {metric(measured)}{where}", "$held-out"))
    if found.rate is not None and "rate" in details:
        said.append(Content(f"rate {learning_rate(found.rate)}"))
    return said
