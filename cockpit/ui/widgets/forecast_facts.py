"""What a recipe will take of this machine, in lines: a bar of its memory part by part, whether it fits, time, disk"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from cockpit.text.numbers import UNKNOWN, big_count, count, duration, percent, size
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.glyphs import glyphs

if TYPE_CHECKING:
    from cockpit.preflight.memory import Fit, Forecast, Part
    from cockpit.preflight.outlook import Outlook
    from cockpit.preflight.room import GpuRoom

GROUPS: tuple[tuple[str, str, str, tuple[Part, ...]], ...] = (
    ("weights", "█", "$primary", ("weights",)),
    ("trained", "▓", "$accent", ("adapter", "gradients", "optimizer")),
    ("batch", "▒", "$held-out", ("activations", "logits")),
    ("rest", "░", "$foreground-muted", ("buffers", "allocator", "context")),
)
"""What the bar tells apart: its name, its sign (as colours may not be seen), its colour, its parts."""
PLAIN = dict(zip("█▓▒░", "#%+-", strict=True))


def fit_sign(fit: Fit | None) -> tuple[str, str]:
    """A sign of one cell, and its colour."""
    signs = glyphs()
    known = {"fits": (signs.done, "$success"), "tight": (signs.warn, "$warning")}
    return (UNKNOWN, "$foreground-muted") if fit is None else known.get(fit, (signs.failed, "$error"))


def memory_text(outlook: Outlook) -> Content:
    """`✓ 7.2 GiB of 22 GiB free`."""
    found, room = outlook.found, outlook.room
    if found is None:
        return Content(f"{UNKNOWN} not known for this model")
    peak = size(found.peak.total)
    if outlook.on_cpu:
        return Content(f"{UNKNOWN} on the CPU; {peak} on a GPU")
    if room is None or room.free is None:
        return Content(f"{UNKNOWN} {peak}; what is free is not known")
    sign, style = fit_sign(outlook.fit)
    return Content.assemble((sign, style), f" {peak} of {size(room.free)} free")


def forecast_bar(found: Forecast, width: int, free: int | None) -> Content:
    """The peak, part by part, in `width` cells that stand for what is free, or for the peak where that is more."""
    peak = found.peak
    whole, left, parts = max(peak.total, free or 0), width, []
    for _, sign, style, names in GROUPS:
        held = sum(peak.parts.get(name, 0) for name in names)
        cells = min(left, max(1, round(width * held / whole))) if held else 0
        parts.append(((sign if glyphs().braille else PLAIN[sign]) * cells, style))
        left -= cells
    return Content.assemble(*parts, (glyphs().dot * left, "$foreground-disabled"))


def forecast_facts(outlook: Outlook, width: int) -> list[tuple[str, Content]]:
    """Label and value of each line; `width` cells are there for a value."""
    found, room = outlook.found, outlook.room
    facts = [("VRAM", memory_text(outlook))]
    if outlook.fitted is not None:
        facts.insert(0, ("fit", Content(outlook.fitted.said())))
    if found is not None:
        free = room.free if room is not None and not outlook.on_cpu else None
        facts.append(("", forecast_bar(found, width, free)))
        facts.append(("", _legend(found)))
    if room is not None:
        if room.correction is not None:
            facts.append(("", Content.styled(f"corrected {room.correction.said()}", "$foreground-muted")))
        if outlook.fit in ("tight", "does not fit") and room.holders:
            facts.append(("", Content.styled(f"held by {holders_text(room)}", "$warning")))
    if outlook.rows is not None:
        known = f"rows of {count(outlook.rows.mean)} tokens, {count(outlook.rows.longest)} at most, as tokenized here"
        facts.append(("", Content.styled(known, "$foreground-muted")))
    if found is not None:
        share = found.trainable / found.parameters
        trained = f"{big_count(found.trainable)} of {big_count(found.parameters)}, {_share(share)}"
        facts.append(("trains", Content(trained)))
    told = outlook.duration
    spent = f", {outlook.cost}" if outlook.cost is not None else ""
    facts.append(("time", Content(UNKNOWN if told is None else f"about {duration(told.seconds)} here{spent}")))
    disk = outlook.disk
    if disk is not None:
        needed = disk.needed or disk.result
        is_much = disk.free is not None and 2 * needed > disk.free
        text = f"{size(needed)} of {size(disk.free)} free" if is_much else size(needed)
        is_full = disk.free is not None and needed > disk.free
        facts.append(("disk", Content.styled(f"{glyphs().failed} {text}", "$error") if is_full else Content(text)))
    return facts


def holders_text(room: GpuRoom) -> str:
    """Who holds memory of the GPU, and how much."""
    return ", ".join(f"{plain_line(one.name) or 'a process'} {size(_bytes(one.mib))}" for one in room.holders)


def tokens_text(outlook: Outlook | None, accumulation: int) -> str:
    """`, 8,192 tokens at most`, of an optimizer step."""
    found = None if outlook is None else outlook.found
    return "" if found is None else f", {count(found.tokens * accumulation)} tokens at most"


def _legend(found: Forecast) -> Content:
    parts = []
    for name, sign, style, names in GROUPS:
        held = sum(found.peak.parts.get(part, 0) for part in names)
        if held:
            shown = sign if glyphs().braille else PLAIN[sign]
            parts.append(Content.assemble((shown, style), f" {name} {held / 2**30:.1f}"))
    return Content("  ").join(parts)


def _share(share: float) -> str:
    return percent(1) if share >= 1 else f"{100 * share:.1f} %"


def _bytes(mib: float | None) -> float | None:
    return None if mib is None else mib * 2**20
