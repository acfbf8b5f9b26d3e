"""Readings of the GPUs that the run uses and of the engine's own process, taken so that no driver can hold it up."""

from __future__ import annotations

import os
import threading
import time

import psutil

from cockpit.engine.rank import ALL_GPUS
from cockpit.machine.gpu import visible_gpus
from cockpit.machine.nvml import Nvml
from cockpit.protocol.events import GpuReading, MachineRead

EVERY_S = 1.0
CPU_EVERY_S = 0.8
STALE_AFTER_S = 10.0
"""Readings older than this are not shown: the driver hangs."""


class Machine:
    """The newest readings. NVML is asked in a thread of its own, which may hang for ever without harm."""

    def __init__(self) -> None:
        """Begin to read."""
        self.driver = ""
        self.other_ranks: tuple[int, ...] = ()
        """Processes that train with this one, whose memory is the run's too."""
        self._gpus: list[GpuReading] = []
        self._read_at = 0.0
        self._answered = threading.Event()
        self._lock = threading.Lock()
        self._process = psutil.Process()
        self._cpu_percent = self._process.cpu_percent()
        self._cpu_read_at = time.monotonic()
        if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
            self._answered.set()
        else:
            threading.Thread(target=self._ask_driver, name="nvml", daemon=True).start()

    def gpus(self, wait_s: float = 0.0) -> list[GpuReading]:
        """The GPUs that this process sees; waits up to `wait_s` for the driver's first answer."""
        self._answered.wait(wait_s)
        return self._gpus if time.monotonic() - self._read_at < STALE_AFTER_S else []

    def read(self, step: int) -> MachineRead:
        """All readings now, for `step`; never waits. cpu_percent is 100 for each core that the engine keeps busy."""
        memory = psutil.virtual_memory()
        return MachineRead(
            step=step,
            gpus=self.gpus(),
            cpu_percent=self._cpu(),
            rss_mib=self._process.memory_info().rss / 2**20,
            ram_used_mib=(memory.total - memory.available) / 2**20,
            ram_total_mib=memory.total / 2**20,
            disk_free_mib=_disk_free_mib(),
        )

    def _cpu(self) -> float:
        """Percent since about CPU_EVERY_S ago; the system counts too coarsely for the time of one quick step."""
        with self._lock:
            if time.monotonic() - self._cpu_read_at >= CPU_EVERY_S:
                self._cpu_read_at = time.monotonic()
                self._cpu_percent = self._process.cpu_percent()
            return self._cpu_percent

    def _ask_driver(self) -> None:
        nvml = Nvml()
        pid, named = os.getpid(), os.environ.get(ALL_GPUS) or os.environ.get("CUDA_VISIBLE_DEVICES")
        while True:
            pids = (pid, *self.other_ranks)
            self._gpus = visible_gpus(nvml.read(*pids), named) or nvml.slices(named, *pids)
            self.driver = nvml.driver
            self._read_at = time.monotonic()
            self._answered.set()
            if nvml.absent:
                return
            time.sleep(EVERY_S)


def _disk_free_mib() -> float | None:
    """Of the working folder's disk: an engine works in its run's folder, wherever that is moved to."""
    try:
        disk = os.statvfs(".")
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize / 2**20
