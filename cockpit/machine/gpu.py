"""NVML readings (no torch): which GPUs there are and what they do. A missing, failing or hanging driver is normal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cockpit.machine.child_environment import child_environment, python_command
from cockpit.protocol.events import GpuReading
from cockpit.text.plain_text import plain_line

PROBE_TIMEOUT_S = 5.0

NONE = "none"
DRIVERLESS = "driverless"
_MIB = 1024 * 1024


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A process that holds memory of a GPU. `name` is empty and `mib` None where driver or system hide them."""

    pid: int
    name: str = ""
    mib: float | None = None


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


class Nvml:
    """The driver's readings, taken in this process. Every method copes with a driver that fails: what one call does
    not give is left out of that reading, and asked for again at the next."""

    def __init__(self) -> None:
        """Connect. Without a driver, `read` gives nothing; `problem` says why where there is one that fails."""
        self.driver = ""
        self.problem = ""
        self.absent = False
        """Whether there is no driver at all, so that no later reading finds one."""
        self._library: Any = None
        self._kept: dict[tuple[str, int], Any] = {}
        self._connect()

    def read(self, pid: int | None = None) -> list[GpuReading]:
        """All GPUs now; with `pid`, also what that process holds of each (None where the driver does not name it)."""
        self._connect()
        handles = [(index, self._keep("nvmlDeviceGetHandleByIndex", index, index)) for index in range(self._count())]
        return [self._read(index, handle, pid) for index, handle in handles if handle is not None]

    def capabilities(self) -> dict[str, tuple[int, int]]:
        """Compute capability by UUID."""
        found = {}
        for index in range(self._count()):
            handle = self._keep("nvmlDeviceGetHandleByIndex", index, index)
            uuid = _text(self._keep("nvmlDeviceGetUUID", index, handle)) or str(index)
            told = self._keep("nvmlDeviceGetCudaComputeCapability", index, handle)
            if isinstance(told, tuple | list) and len(told) == 2:
                found[uuid] = (int(told[0]), int(told[1]))
        return found

    def holders(self) -> dict[str, list[Holder]]:
        """Who holds memory of each GPU, by UUID; the largest first. A container may see none of them."""
        found = {}
        for index in range(self._count()):
            handle = self._keep("nvmlDeviceGetHandleByIndex", index, index)
            uuid = _text(self._keep("nvmlDeviceGetUUID", index, handle)) or str(index)
            known: dict[int, Holder] = {}
            for kind in ("Compute", "Graphics"):
                for process in self._ask(f"nvmlDeviceGet{kind}RunningProcesses", handle) or []:
                    mib = _number(process, lambda p: p.usedGpuMemory / _MIB)
                    known[process.pid] = Holder(pid=process.pid, name=self._name(process.pid), mib=mib)
            found[uuid] = sorted(known.values(), key=lambda one: -(one.mib or 0))
        return found

    def _name(self, pid: int) -> str:
        """Of a process, as the system or else the driver calls it."""
        try:
            return plain_line(Path(f"/proc/{pid}/comm").read_text(errors="replace").strip())
        except OSError:
            return _text(self._ask("nvmlSystemGetProcessName", pid)).rpartition("/")[2]

    def _connect(self) -> None:
        """Ask for all that is not known yet and never changes."""
        if self.absent:
            return
        self.problem = ""
        if self._library is None:
            self._library = self._initialised()
        if self._library is None:
            return
        self.driver = self.driver or _text(self._ask("nvmlSystemGetDriverVersion"))
        if self._keep("nvmlDeviceGetCount", -1) is None:
            self.problem = "The NVIDIA driver does not say how many GPUs there are."
        for index in range(self._count()):
            if self._keep("nvmlDeviceGetHandleByIndex", index, index) is None:
                self.problem = f"The NVIDIA driver does not answer for GPU {index}."

    def _initialised(self) -> Any:
        """The library once its driver answers, else None."""
        try:
            import pynvml
        except ImportError:
            self.absent = True
            return None
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            self.absent = isinstance(error, getattr(pynvml, "NVMLError_LibraryNotFound", ()))
            if not self.absent:
                self.problem = f"The NVIDIA driver does not answer ({_sentence_part(error)})."
            return None
        return pynvml

    def _count(self) -> int:
        return int(self._kept.get(("nvmlDeviceGetCount", -1)) or 0)

    def _keep(self, function: str, index: int, *arguments: Any) -> Any:
        """What the driver says of GPU `index` and will always say: asked for until it answers once."""
        if self._kept.get((function, index)) is None:
            self._kept[function, index] = self._ask(function, *arguments)
        return self._kept[function, index]

    def _read(self, index: int, handle: Any, pid: int | None) -> GpuReading:
        memory = self._ask("nvmlDeviceGetMemoryInfo", handle)
        rates = self._ask("nvmlDeviceGetUtilizationRates", handle)
        milliwatts = self._ask("nvmlDeviceGetPowerUsage", handle)
        sensor = getattr(self._library, "NVML_TEMPERATURE_GPU", 0)
        return GpuReading(
            index=index,
            uuid=_text(self._keep("nvmlDeviceGetUUID", index, handle)) or str(index),
            name=_text(self._keep("nvmlDeviceGetName", index, handle)) or "GPU",
            vram_used_mib=_number(memory, lambda m: m.used / _MIB),
            vram_total_mib=_number(memory, lambda m: m.total / _MIB),
            vram_this_run_mib=None if pid is None else self._held_by(handle, pid),
            utilization_percent=_number(rates, lambda r: r.gpu),
            temperature_c=_number(self._ask("nvmlDeviceGetTemperature", handle, sensor), lambda t: t),
            power_w=_number(milliwatts, lambda p: p / 1000),
        )

    def _held_by(self, handle: Any, pid: int) -> float | None:
        processes = self._ask("nvmlDeviceGetComputeRunningProcesses", handle) or []
        held = [_number(p, lambda p: p.usedGpuMemory / _MIB) for p in processes if getattr(p, "pid", None) == pid]
        known = [mib for mib in held if mib is not None]
        return sum(known) if known else None

    def _ask(self, function: str, *arguments: Any) -> Any:
        """The driver's answer, or None where it has none; a driver may fail at any call."""
        try:
            return getattr(self._library, function)(*arguments)
        except Exception:
            return None


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


def _number(answer: Any, take: Callable[[Any], float]) -> float | None:
    try:
        return None if answer is None else float(take(answer))
    except (AttributeError, TypeError, ValueError):
        return None


def _text(answer: Any) -> str:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer or "")
    return plain_line(text)


def _sentence_part(error: Exception) -> str:
    return plain_line(str(error))[:120].rstrip(".") or type(error).__name__


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
