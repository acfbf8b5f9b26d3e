"""MemoryPeaks: the most memory that an attempt has taken, as its readings tell it"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.protocol.events import GpuReading, MachineRead


@dataclass
class MemoryPeaks:
    """In MiB. Of GPUs by their UUID; what no reading has told is not there. Readings come about once a second: what was
    held for less may be missed, but torch gives nothing back between steps."""

    used_mib: dict[str, float] = field(default_factory=dict)
    """What all processes held together."""
    own_mib: dict[str, float] = field(default_factory=dict)
    """What the run held."""
    rss_mib: float = 0.0
    """RAM of the engine's process."""

    def take(self, reading: MachineRead) -> None:
        """Another reading."""
        self.rss_mib = max(self.rss_mib, reading.rss_mib)
        for gpu in reading.gpus:
            if gpu.vram_used_mib is not None and gpu.vram_used_mib > self.used_mib.get(gpu.uuid, -1.0):
                self.used_mib[gpu.uuid] = gpu.vram_used_mib
            if gpu.vram_this_run_mib is not None and gpu.vram_this_run_mib > self.own_mib.get(gpu.uuid, -1.0):
                self.own_mib[gpu.uuid] = gpu.vram_this_run_mib


def fullest(gpus: Sequence[GpuReading]) -> GpuReading | None:
    """The GPU whose memory is used most, as a share of it; None where none tells its memory."""
    known = [gpu for gpu in gpus if gpu.vram_used_mib is not None and gpu.vram_total_mib]
    return max(known, key=lambda gpu: (gpu.vram_used_mib or 0.0) / (gpu.vram_total_mib or 1.0), default=None)
