"""VramGauge: memory and load of one GPU."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from cockpit.protocol.events import GpuReading
from cockpit.text.numbers import UNKNOWN
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.gauge import Gauge
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.memory_bar import fitting, gib, memory_bar
from cockpit.ui.widgets.sparkline import sparkline

SPARK_CELLS = 12
ROOMY = 40
"""Cells from which on the peak is told beside the bar too."""


class VramGauge(Gauge[GpuReading]):
    """One GPU: `show` takes its readings, oldest first; the last one is the present, or the end of a run."""

    HELP = (
        "GPU memory: held by this run, by others, free; the mark is the peak. Below it how busy the GPU is, and on the "
        "edge what holds its clocks down."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._use: Sequence[float | None] = ()
        self._peak: float | None = None
        self._past = ""
        self._edges: tuple[object, ...] = ()

    def show(self, readings: Sequence[GpuReading], peak: float | None = None, *, past: str = "") -> None:
        """Draw the last of these readings of one GPU, and the course of its load. `peak` of the memory that was used,
        MiB; `past` says of when they are, where that is not the present."""
        if not readings or (readings[-1], past) == (self._reading, self._past):
            return
        self._reading, self._peak, self._past = readings[-1], peak, past
        self._use = [reading.utilization_percent for reading in readings]
        title = f"GPU {self._reading.index}{past} {glyphs().dot} {short_name(self._reading)}"
        slowed = slowed_text([self._reading])
        if (title, slowed) != self._edges:
            self._edges = (title, slowed)
            self.border_title, self.border_subtitle = Content(title), slowed
        self.redraw()

    def lines(self) -> list[Content]:
        reading = self._reading
        if reading is None:
            return [Content.styled("The GPU has not been read yet.", "$foreground-muted")]
        used, total, own = reading.vram_used_mib, reading.vram_total_mib, reading.vram_this_run_mib
        width = self.content_size.width
        figures = f" {gib(used)}/{gib(total)} GiB"
        if self._past:
            figures = f" peak {gib(self._peak)}/{gib(total)} GiB"
        elif self._peak is not None and width >= ROOMY:
            figures = f" {gib(used)} peak {gib(self._peak)} of {gib(total)} GiB"
        bar = memory_bar(max(4, width - 5 - len(figures)), own, used, total, self._peak)
        free = total - used if used is not None and total is not None else None
        shares = fitting(width - 5, f"this run {gib(own)} {glyphs().dot} {_others(reading)}", f"free {gib(free)}")
        return [
            Content.assemble("VRAM ", bar, figures),
            Content.assemble("     ", (shares, "$foreground-muted")),
            self._load(reading),
        ]

    def _load(self, reading: GpuReading) -> Content:
        facts = [
            f"{whole(reading.utilization_percent):>3} %",
            f"{whole(reading.temperature_c):>3} °C",
            f"{whole(reading.power_w):>4} W",
        ]
        text = " ".join(facts)
        width = max(0, min(SPARK_CELLS, self.content_size.width - 6 - len(text)))
        return Content.assemble("use  ", (sparkline(self._use[-60:], width, low=0, high=100), "$primary"), " ", text)


def short_name(reading: GpuReading) -> str:
    """Of the GPU, without its maker's."""
    return plain_line(reading.name).removeprefix("NVIDIA ")


def slowed_text(readings: Sequence[GpuReading]) -> Content:
    """What holds clocks down, of which GPUs where there are several; empty where nothing does."""
    slowed: dict[str, list[str]] = {}
    for reading in readings:
        for why in reading.slowed_by:
            slowed.setdefault(plain_line(why), []).append(str(reading.index))
    if not slowed:
        return Content("")
    told = [f"{', '.join(which)}: {why}" if len(readings) > 1 else why for why, which in slowed.items()]
    return Content.styled(f"{glyphs().warn} slowed by {'; '.join(told)}", "$warning")


def others_text(reading: GpuReading) -> str:
    """Who holds the GPU's memory beside the run, by name where that is known: jupyter 2.0, python 0.4."""
    return ", ".join(f"{plain_line(one.name)} {gib(one.mib)}" for one in reading.others if one.name)


def whole(value: float | None) -> str:
    """A whole number, without its unit."""
    return UNKNOWN if value is None else f"{value:.0f}"


def _others(reading: GpuReading) -> str:
    used, own = reading.vram_used_mib, reading.vram_this_run_mib
    held = used - own if used is not None and own is not None else None
    names = others_text(reading)
    return f"others {gib(held)}" + (f" ({names})" if names else "")
