"""A bar of memory: what this run holds, what others hold, what is free; each with a sign and a colour of its own."""

from __future__ import annotations

from textual.content import Content

from cockpit.text.numbers import UNKNOWN
from cockpit.ui.widgets.glyphs import glyphs


def memory_bar(
    width: int, this_run: float | None, used: float | None, total: float | None, peak: float | None = None
) -> Content:
    """`width` cells for `total`. With `this_run` unknown all that is used counts as others'. Whatever is held shows.
    A mark stands at the `peak` where that is beyond what is used."""
    signs = glyphs()
    if not total or used is None:
        return Content.styled(signs.bar_free * width, "$foreground-disabled")
    own = min(this_run or 0.0, total)
    others = max(0.0, min(used, total) - own)
    own_cells = _cells(own / total, width)
    other_cells = min(_cells(others / total, width), width - own_cells)
    free = signs.bar_free * (width - own_cells - other_cells)
    at = min(width, _cells((peak or 0.0) / total, width)) - own_cells - other_cells - 1
    ahead, mark, behind = (free[:at], signs.cursor, free[at + 1 :]) if at >= 0 else (free, "", "")
    return Content.assemble(
        (signs.bar_this_run * own_cells, "$primary"),
        (signs.bar_others * other_cells, "$secondary"),
        (ahead, "$foreground-disabled"),
        (mark, "$foreground"),
        (behind, "$foreground-disabled"),
    )


def gib(mib: float | None) -> str:
    """6.9, 139, 0.04: GiB of a figure in MiB, without its unit."""
    if mib is None:
        return UNKNOWN
    value = mib / 1024
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 0.05 or value == 0 else f"{value:.2f}"


def fitting(width: int, text: str, more: str) -> str:
    """Both parts, or the first alone where there is no room."""
    both = f"{text} {glyphs().dot} {more}"
    return both if len(both) <= width else text


def _cells(share: float, width: int) -> int:
    return max(1, round(share * width)) if share > 0 else 0
