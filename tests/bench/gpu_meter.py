"""What one GPU's driver says while something runs: memory in use and energy, ten times a second"""

from __future__ import annotations

import bisect
import contextlib
import threading
import time

import pynvml

EVERY_S = 0.1


class GpuMeter:
    """Samples from when it is made until it is closed. Without a driver it has none."""

    def __init__(self, uuid: str | None) -> None:
        """`uuid` names the GPU; None for none."""
        self._times: list[float] = []
        self._joules: list[float] = []
        self._used: list[int] = []
        self._over = threading.Event()
        self._gpu = None
        if uuid is not None:
            pynvml.nvmlInit()
            self._gpu = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more samples."""
        self._over.set()
        self._thread.join()

    def used(self) -> int:
        """Bytes of the whole GPU now; 0 without one."""
        return 0 if self._gpu is None else int(pynvml.nvmlDeviceGetMemoryInfo(self._gpu).used)

    def peak(self, since: float, until: float) -> int:
        """Bytes of the whole GPU at most, between two Unix times."""
        begin, end = bisect.bisect_left(self._times, since), bisect.bisect_right(self._times, until)
        return max(self._used[begin:end], default=0)

    def joules(self, since: float, until: float) -> float | None:
        """What the GPU took between two Unix times; None where the driver does not count it."""
        if len(self._times) < 2 or not any(self._joules):
            return None
        return self._counted(until) - self._counted(since)

    def _counted(self, at: float) -> float:
        """The counter at a time, between two samples as if it rose evenly."""
        after = min(max(1, bisect.bisect_left(self._times, at)), len(self._times) - 1)
        begin, end = self._times[after - 1], self._times[after]
        share = (at - begin) / (end - begin)
        return self._joules[after - 1] + share * (self._joules[after] - self._joules[after - 1])

    def _sample(self) -> None:
        while self._gpu is not None and not self._over.wait(EVERY_S):
            used, joules = self.used(), 0.0
            with contextlib.suppress(pynvml.NVMLError):
                joules = pynvml.nvmlDeviceGetTotalEnergyConsumption(self._gpu) / 1000
            self._times.append(time.time())
            self._used.append(used)
            self._joules.append(joules)
