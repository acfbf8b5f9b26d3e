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


class VramGauge(Gauge[GpuReading]):
    """One GPU: `show` takes its readings, oldest first; the last one is the present."""

    HELP = "GPU memory: held by this run, by others, free. Below it how busy the GPU is."

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._use: Sequence[float | None] = ()
        self._title = ""

    def show(self, readings: Sequence[GpuReading]) -> None:
        """Draw the last of these readings of one GPU, and the course of its load."""
        if not readings or readings[-1] is self._reading:
            return
        self._reading = readings[-1]
        self._use = [reading.utilization_percent for reading in readings]
        name = plain_line(self._reading.name).removeprefix("NVIDIA ")
        title = f"GPU {self._reading.index} {glyphs().dot} {name}"
        if title != self._title:
            self._title = title
            self.border_title = Content(title)
        self.redraw()

    def lines(self) -> list[Content]:
        reading = self._reading
        if reading is None:
            return [Content.styled("The GPU has not been read yet.", "$foreground-muted")]
        used, total, own = reading.vram_used_mib, reading.vram_total_mib, reading.vram_this_run_mib
        figures = f" {gib(used)}/{gib(total)} GiB"
        bar = memory_bar(max(4, self.content_size.width - 5 - len(figures)), own, used, total)
        others = used - own if used is not None and own is not None else None
        free = total - used if used is not None and total is not None else None
        dot = glyphs().dot
        shares = fitting(
            self.content_size.width - 5, f"this run {gib(own)} {dot} others {gib(others)}", f"free {gib(free)}"
        )
        return [
            Content.assemble("VRAM ", bar, figures),
            Content.assemble("     ", (shares, "$foreground-muted")),
            self._load(reading),
        ]

    def _load(self, reading: GpuReading) -> Content:
        facts = [
            f"{_whole(reading.utilization_percent):>3} %",
            f"{_whole(reading.temperature_c):>3} °C",
            f"{_whole(reading.power_w):>4} W",
        ]
        text = " ".join(facts)
        width = max(0, min(SPARK_CELLS, self.content_size.width - 6 - len(text)))
        return Content.assemble("use  ", (sparkline(self._use[-60:], width, low=0, high=100), "$primary"), " ", text)


def _whole(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0f}"
