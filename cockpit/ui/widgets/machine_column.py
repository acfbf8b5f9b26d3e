"""MachineColumn: a gauge for each GPU, or for the engine's own memory where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from cockpit.ui.widgets.engine_gauge import EngineGauge
from cockpit.ui.widgets.vram_gauge import VramGauge

if TYPE_CHECKING:
    from cockpit.protocol.events import MachineRead

SHOWN = 60
"""Readings that a gauge draws."""


class MachineColumn(VerticalScroll):
    """Scrolls where there are more gauges than fit."""

    def compose(self) -> ComposeResult:
        """Until there is a reading nobody knows of a GPU."""
        yield EngineGauge(classes="pane")

    def show(self, readings: Sequence[MachineRead]) -> None:
        """The newest reading, and the course of those before it."""
        if not readings:
            return
        recent = list(readings)[-SHOWN:]
        wanted = recent[-1].gpus
        gauges = list(self.query(VramGauge))
        if len(gauges) != len(wanted):
            self.remove_children(VramGauge)
            gauges = [VramGauge(classes="pane") for _ in wanted]
            self.mount(*gauges)
        engine = self.query_one(EngineGauge)
        engine.display = not wanted
        if not wanted:
            engine.show(recent)
        for gauge, present in zip(gauges, wanted, strict=True):
            gauge.show([gpu for reading in recent for gpu in reading.gpus if gpu.uuid == present.uuid])
