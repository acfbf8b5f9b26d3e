"""NVML readings (no torch): which GPUs there are, what they do, which one is free. A missing or hanging driver is normal."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import msgspec

from cockpit.events import GpuReading

PROBE_TIMEOUT_S = 5.0


class GpuReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of GPUs. `problem` is a sentence where a driver is there and does not answer, else empty."""

    gpus: list[GpuReading] = []
    driver: str = ""
    problem: str = ""

    def choose(self, wanted: str) -> str:
        """UUID of the GPU that `wanted` names (auto: the freest one), `none` or `driverless`.

        An inherited CUDA_VISIBLE_DEVICES limits the choice. Raises ValueError with a sentence where it is not there.
        """
        raise ValueError(wanted)


class Nvml:
    """The driver's readings, taken in this process. Every method copes with a driver that fails."""

    def __init__(self) -> None:
        """Connect. Without a driver, `read` gives nothing and `problem` says why."""

    def read(self, pid: int | None = None) -> list[GpuReading]:
        """All GPUs now; with `pid`, also what that process holds of each."""
        return []


class GpuProbe:
    """Asks the driver in a child process, so that one which hangs holds nobody up."""

    def __init__(self) -> None:
        """Start asking."""

    def poll(self) -> GpuReport | None:
        """The answer, or None while there is none. After PROBE_TIMEOUT_S the answer is that the driver hangs."""
        return GpuReport()

    def wait(self) -> GpuReport:
        """The answer; waits for it, PROBE_TIMEOUT_S at most."""
        return GpuReport()
