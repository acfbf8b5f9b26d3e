"""What the real NVIDIA driver tells of each GPU: as cockpit reads it, and raw; idle, at work, and at work with little
power where that was set. A report to compare with recorded readings, no test.

usage: python -m tests.bench.driver [--seconds S] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from cockpit.machine.gpu import GpuProbe
from cockpit.machine.nvml import Nvml

WORK = """
import sys, time, torch
a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
print("at work", flush=True)
until = time.time() + float(sys.argv[1])
while time.time() < until:
    for _ in range(50):
        b = a @ a
    torch.cuda.synchronize()
"""
ASKED = (
    "nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount",
    "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons",
    "nvmlDeviceGetSupportedClocksEventReasons", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetEnforcedPowerLimit",
    "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetPersistenceMode", "nvmlDeviceGetComputeMode", "nvmlDeviceGetBrand",
    "nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses",
)  # fmt: skip


def _slice(nvml: Any, handle: Any, at: int) -> Any:
    return nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, at))


def answer(ask: Callable[..., Any] | None, *arguments: Any) -> Any:
    """What the driver says, in plain words; its error where it has none, and where this pynvml does not ask that."""
    try:
        told = ask(*arguments) if ask is not None else "not asked for by this pynvml"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if isinstance(told, list):
        return [str(one) for one in told]
    return told if isinstance(told, int | float | str | None) else str(told)


def raw(nvml: Any) -> list[dict[str, Any]]:
    """Each GPU's answers, and those of its MIG devices."""
    found = []
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        told = {name: answer(getattr(nvml, name, None), handle) for name in ASKED}
        slices = told["nvmlDeviceGetMaxMigDeviceCount"]
        for at in range(slices if isinstance(slices, int) else 0):
            told[f"MIG {at}"] = answer(partial(_slice, nvml), handle, at)
        found.append(told)
    return found


def main() -> None:
    """Read, print, and write all of it as JSON."""
    import pynvml

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0, help="of work")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    pynvml.nvmlInit()
    reader, found = Nvml(), dict[str, Any]()
    report = GpuProbe().wait()
    found["driver"], found["visible"] = report.driver, [gpu.name for gpu in report.visible()]
    found["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES")
    found["idle"] = {"raw": raw(pynvml), "read": msgspec.to_builtins(reader.read())}
    work = subprocess.Popen([sys.executable, "-c", WORK, str(asked.seconds)], stdout=subprocess.PIPE, text=True)
    assert work.stdout is not None
    work.stdout.readline()
    time.sleep(asked.seconds / 2)
    found["at work"] = {"raw": raw(pynvml), "read": msgspec.to_builtins(reader.read(work.pid))}
    found["holders"] = {uuid: msgspec.to_builtins(who) for uuid, who in reader.holders().items()}
    found["worker"] = work.pid
    work.wait()
    text = json.dumps(found, indent=1)
    print(text)
    if asked.out:
        asked.out.write_text(text)


if __name__ == "__main__":
    main()
