"""EngineGauge: CPU and RAM of the engine's process, where there is no GPU."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from cockpit.protocol.events import MachineRead
from cockpit.ui.widgets.gauge import Gauge
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.memory_bar import fitting, gib, memory_bar
from cockpit.ui.widgets.sparkline import sparkline


class EngineGauge(Gauge[MachineRead]):
    """The engine on the CPU: `show` takes its readings, oldest first."""

    HELP = "What the engine's process takes: processor cores, and memory beside that of all others."

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._cores: Sequence[float] = ()
        self._peak_mib: float | None = None
        self._past = ""
        self.border_title = Content(f"engine {glyphs().dot} CPU")

    def show(self, readings: Sequence[MachineRead], peak_mib: float | None = None, *, past: str = "") -> None:
        """Draw the last of these readings, and the course of the processor's load. `peak_mib` is that of the engine's
        memory; `past` says of when they are, where that is not the present."""
        if not readings or (readings[-1], past) == (self._reading, self._past):
            return
        self._reading, self._peak_mib = readings[-1], peak_mib
        self._cores = [reading.cpu_percent / 100 for reading in readings]
        if past != self._past:
            self._past = past
            self.border_title = Content(f"engine{past} {glyphs().dot} CPU")
        self.redraw()

    def lines(self) -> list[Content]:
        reading = self._reading
        if reading is None:
            return [Content.styled("The engine has not been measured yet.", "$foreground-muted")]
        cores = f" {reading.cpu_percent / 100:.1f} cores busy"
        width = self.content_size.width
        figures = f" {gib(reading.ram_used_mib)}/{gib(reading.ram_total_mib)} GiB"
        bar = memory_bar(max(4, width - 5 - len(figures)), reading.rss_mib, reading.ram_used_mib, reading.ram_total_mib)
        others = max(0.0, reading.ram_used_mib - reading.rss_mib)
        free = max(0.0, reading.ram_total_mib - reading.ram_used_mib)
        peak = f" peak {gib(self._peak_mib)}" if self._past else ""
        engine = f"engine {gib(reading.rss_mib)}{peak}"
        held = fitting(width - 5, engine, f"others {gib(others)}")
        shares = fitting(width - 5, held, f"free {gib(free)}")
        spark = sparkline(self._cores[-60:], max(0, min(20, width - 5 - len(cores))), low=0)
        return [
            Content.assemble("CPU  ", (spark, "$primary"), cores),
            Content.assemble("RAM  ", bar, figures),
            Content.assemble("     ", (shares, "$foreground-muted")),
        ]
