"""MachineUse: what an attempt has taken of its machine, as its readings tell it: peaks of memory, energy"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.protocol.events import GpuReading, MachineRead, OutOfMemory


JOULES_PER_WH = 3600.0


@dataclass
class MachineUse:
    """Memory in MiB. Of GPUs by their UUID; what no reading has told is not there. Readings come about once a second:
    what was held for less may be missed, but torch gives nothing back between steps."""

    used_mib: dict[str, float] = field(default_factory=dict)
    """What all processes held together."""
    own_mib: dict[str, float] = field(default_factory=dict)
    """What the run held."""
    rss_mib: float = 0.0
    """RAM of the engine's process."""
    _energy_j: dict[str, tuple[float, float]] = field(default_factory=dict)
    """What each GPU's counter stood at, at the first and the last reading."""

    def take(self, reading: MachineRead) -> None:
        """Another reading."""
        self.rss_mib = max(self.rss_mib, reading.rss_mib)
        for gpu in reading.gpus:
            if gpu.vram_used_mib is not None and gpu.vram_used_mib > self.used_mib.get(gpu.uuid, -1.0):
                self.used_mib[gpu.uuid] = gpu.vram_used_mib
            if gpu.vram_this_run_mib is not None and gpu.vram_this_run_mib > self.own_mib.get(gpu.uuid, -1.0):
                self.own_mib[gpu.uuid] = gpu.vram_this_run_mib
            if gpu.energy_j is not None:
                began, _ = self._energy_j.get(gpu.uuid, (gpu.energy_j, 0.0))
                # A counter that goes back was begun anew, with the driver.
                self._energy_j[gpu.uuid] = (min(began, gpu.energy_j), gpu.energy_j)

    def ran_out(self, uuid: str, memory: OutOfMemory) -> None:
        """What the GPU held when memory ran out, which was given back before a reading could see it."""
        for peaks, held in (
            (self.own_mib, memory.peak_bytes),
            (self.used_mib, memory.peak_bytes + memory.others_bytes),
        ):
            if held:
                peaks[uuid] = max(peaks.get(uuid, 0.0), held / 2**20)

    @property
    def energy_wh(self) -> float | None:
        """What its GPUs have taken, whoever else has used them meanwhile; None where no counter tells."""
        used = [now - began for began, now in self._energy_j.values()]
        return sum(used) / JOULES_PER_WH if used else None


def fullest(gpus: Sequence[GpuReading]) -> GpuReading | None:
    """The GPU whose memory is used most, as a share of it; None where none tells its memory."""
    known = [gpu for gpu in gpus if gpu.vram_used_mib is not None and gpu.vram_total_mib]
    return max(known, key=lambda gpu: (gpu.vram_used_mib or 0.0) / (gpu.vram_total_mib or 1.0), default=None)
