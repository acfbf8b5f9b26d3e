"""GpuReport: which GPUs there are, and which one a run takes; asked of a driver that may be missing, fail or hang"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import msgspec

from cockpit.machine.child_environment import child_environment, python_command
from cockpit.machine.nvml import Nvml
from cockpit.protocol.events import GpuReading, Holder
from cockpit.text.plain_text import plain_line

PROBE_TIMEOUT_S = 20.0
"""A driver without persistence mode takes seconds for each GPU of a large machine, more where its cores are busy."""

NONE = "none"
DRIVERLESS = "driverless"


class GpuReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of GPUs. `problem` is a sentence where a driver is there and does not answer, else empty."""

    gpus: list[GpuReading] = []
    driver: str = ""
    problem: str = ""
    capabilities: dict[str, tuple[int, int]] = {}
    """CUDA's compute capability of each GPU by its UUID, where the driver tells it."""
    holders: dict[str, list[Holder]] = {}
    """Who holds memory of each GPU by its UUID, where the driver tells it."""

    def visible(self) -> list[GpuReading]:
        """The GPUs that an inherited CUDA_VISIBLE_DEVICES leaves, in its order; all of them where it is not set."""
        return visible_gpus(self.gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))

    def choose(self, wanted: str) -> str:
        """UUID of the GPU that `wanted` names (auto: the freest one), `none` or `driverless`.

        An inherited CUDA_VISIBLE_DEVICES limits the choice. A driver that does not answer leaves auto the CPU. Raises
        ValueError with a sentence where what `wanted` names is not there.
        """
        wanted = wanted.strip()
        if wanted.lower() == NONE:
            return NONE
        visible = self.visible()
        if wanted.lower() == "auto":
            if not visible:
                slices = [name for name in _named_devices() if name.startswith("MIG-")]
                if slices:
                    return slices[0]
                return NONE if self.gpus or self.driver or self.problem else DRIVERLESS
            return max(visible, key=lambda gpu: (free_mib(gpu), -gpu.index)).uuid
        found = [gpu for gpu in self.gpus if _is_called(gpu, wanted)]
        if len(found) == 1 and found[0] in visible:
            return found[0].uuid
        raise ValueError(self._why_not(wanted, found))

    def choose_several(self, wanted: str, devices: int) -> tuple[str, ...]:
        """As `choose`, of `devices` GPUs, which are `wanted` by their names with commas between them, or auto: the
        freest ones, in the driver's order. For the CPU its one name. Raises ValueError with a sentence."""
        names = [name.strip() for name in wanted.split(",")]
        if devices == 1 or (len(names) == 1 and names[0].lower() == NONE):
            return (self.choose(wanted),)
        if len(names) > 1:
            return tuple(self.choose(name) for name in names)
        visible = self.visible()
        if self.problem and not visible:
            raise ValueError(f"{devices} GPUs cannot be looked up: {self.problem}")
        if not visible and any(name.startswith("MIG-") for name in _named_devices()):
            raise ValueError("Slices of a GPU (MIG) cannot train together, as they have no link to each other; give 1.")
        if names[0].lower() != "auto":
            raise ValueError(f"{devices} GPUs are asked for, and {plain_line(wanted)[:60]} names one; give auto.")
        if len(visible) < devices:
            there = f"{len(visible)} are there" if len(visible) != 1 else "1 is there"
            raise ValueError(f"{devices} GPUs are asked for, and {there}; none trains {devices} processes on the CPU.")
        freest = sorted(visible, key=lambda gpu: (-free_mib(gpu), gpu.index))[:devices]
        return tuple(gpu.uuid for gpu in sorted(freest, key=lambda gpu: gpu.index))

    def _why_not(self, wanted: str, found: list[GpuReading]) -> str:
        shown = plain_line(wanted)[:60]
        if self.problem:
            return f"GPU {shown} cannot be looked up: {self.problem} auto or none trains on the CPU."
        if not self.gpus:
            return f"There is no GPU {shown}: no NVIDIA driver was found here. auto or none trains on the CPU."
        if len(found) > 1:
            return f"Several GPUs have a UUID that begins with {shown}; give more of it."
        there = ", ".join(f"{gpu.index} ({gpu.name}, {gpu.uuid[:12]})" for gpu in self.visible()) or "none"
        if found:
            return f"GPU {shown} is hidden by CUDA_VISIBLE_DEVICES; it leaves {plain_line(there)}."
        there = plain_line(there)
        return f"There is no GPU {shown} here; there is {there}. Give an index, a UUID, auto or none."


def visible_gpus(gpus: list[GpuReading], named: str | None) -> list[GpuReading]:
    """The GPUs that a CUDA_VISIBLE_DEVICES of `named` leaves, as CUDA reads it: the first name that is none ends it."""
    if named is None:
        return gpus
    left: list[GpuReading] = []
    for name in (part.strip() for part in named.split(",")):
        found = [gpu for gpu in gpus if _is_called(gpu, name)]
        if len(found) != 1 or found[0] in left:
            break
        left.append(found[0])
    return left


class GpuProbe:
    """Asks the driver in a child process, so that one which hangs holds nobody up."""

    def __init__(self) -> None:
        """Start asking."""
        self._deadline = time.monotonic() + PROBE_TIMEOUT_S
        self._report: GpuReport | None = None
        self._process = subprocess.Popen(
            python_command("cockpit.machine.gpu"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            start_new_session=True,
        )

    def poll(self) -> GpuReport | None:
        """The answer, or None while there is none. After PROBE_TIMEOUT_S the answer is that the driver hangs."""
        if self._report is None:
            if self._process.poll() is not None:
                self._report = self._answer()
            elif time.monotonic() > self._deadline:
                # Not waited for: a process that hangs inside the driver may not even die of SIGKILL.
                self._process.kill()
                self._report = GpuReport(problem=f"The NVIDIA driver has not answered for {PROBE_TIMEOUT_S:.0f} s.")
        return self._report

    def wait(self) -> GpuReport:
        """The answer; waits for it, PROBE_TIMEOUT_S at most."""
        if self._report is None:
            try:
                self._process.wait(max(0.0, self._deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._deadline = 0.0
        report = self.poll()
        assert report is not None
        return report

    def _answer(self) -> GpuReport:
        assert self._process.stdout is not None
        with self._process.stdout as answer:
            content = answer.read()
        try:
            return msgspec.json.decode(content, type=GpuReport)
        except msgspec.DecodeError:
            return GpuReport(problem=f"Asking the NVIDIA driver failed with status {self._process.returncode}.")


def _named_devices() -> list[str]:
    return [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]


def _is_called(gpu: GpuReading, name: str) -> bool:
    if name.isdecimal():
        return gpu.index == int(name)
    prefix = name.lower().removeprefix("gpu-")
    return bool(prefix) and gpu.uuid.lower().removeprefix("gpu-").startswith(prefix)


def free_mib(gpu: GpuReading) -> float:
    """Free memory of the GPU; -1 where the driver does not say."""
    if gpu.vram_total_mib is None or gpu.vram_used_mib is None:
        return -1.0
    return gpu.vram_total_mib - gpu.vram_used_mib


def _print_report() -> None:
    nvml = Nvml()
    gpus = nvml.read()
    report = GpuReport(
        gpus=gpus,
        driver=nvml.driver,
        problem=nvml.problem,
        capabilities=nvml.capabilities(),
        holders=nvml.holders(),
    )
    sys.stdout.buffer.write(msgspec.json.encode(report))


if __name__ == "__main__":
    _print_report()
