"""MachineColumn: a gauge for each GPU, a line each where there are many, or the engine's own where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from cockpit.ui.widgets.engine_gauge import EngineGauge
from cockpit.ui.widgets.gpu_list import GpuList
from cockpit.ui.widgets.vram_gauge import VramGauge

if TYPE_CHECKING:
    from cockpit.protocol.events import MachineRead
    from cockpit.runs.machine_use import MachineUse

SHOWN = 60
"""Readings that a gauge draws."""
MOST_GAUGES = 2
"""GPUs that have a gauge each; more of them have a line each."""


class MachineColumn(VerticalScroll):
    """Scrolls where there is more than fits."""

    def compose(self) -> ComposeResult:
        """Until there is a reading nobody knows of a GPU."""
        yield EngineGauge(classes="pane")

    def show(self, readings: Sequence[MachineRead], peaks: MachineUse, *, past: str = "") -> None:
        """The newest reading, and the course of those before it; `past` says of when, if not of the present."""
        if not readings:
            return
        recent = list(readings)[-SHOWN:]
        wanted = recent[-1].gpus
        has_list = len(wanted) > MOST_GAUGES
        gauges, lists = list(self.query(VramGauge)), list(self.query(GpuList))
        if (len(gauges), len(lists)) != ((0, 1) if has_list else (len(wanted), 0)):
            self.remove_children(VramGauge)
            self.remove_children(GpuList)
            gauges = [] if has_list else [VramGauge(classes="pane") for _ in wanted]
            lists = [GpuList(classes="pane")] * has_list
            self.mount(*gauges, *lists)
        engine = self.query_one(EngineGauge)
        engine.display = not wanted
        if not wanted:
            engine.show(recent, peaks.rss_mib, past=past)
        for gpus in lists:
            gpus.show(wanted, peaks.used_mib, past=past)
        for gauge, present in zip(gauges, wanted, strict=not has_list):
            course = [gpu for reading in recent for gpu in reading.gpus if gpu.uuid == present.uuid]
            gauge.show(course, peaks.used_mib.get(present.uuid), past=past)
