"""Nvml: readings of the GPUs from their driver (no torch), which may be missing, fail or hang"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cockpit.protocol.events import GpuReading, Holder
from cockpit.text.plain_text import plain_line

_MIB = 1024 * 1024
MOST_HOLDERS = 4
"""Of the others in a reading: one comes every second, and is kept."""
SLOWED_BY = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "heat",
    0x40: "heat",
    0x80: "power brake",
}
"""Why clocks are below what they could be, by NVML's bits (nvmlClocksEventReasons in nvml.h); an idle GPU, and clocks
that somebody has set, are no slowdown."""


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

    def read(self, *pids: int) -> list[GpuReading]:
        """All GPUs now; with `pids`, also what these processes hold of each (None where the driver names none)."""
        self._connect()
        handles = [(index, self._keep("nvmlDeviceGetHandleByIndex", index, index)) for index in range(self._count())]
        return [self._read(index, handle, pids) for index, handle in handles if handle is not None]

    def slices(self, named: str | None, *pids: int) -> list[GpuReading]:
        """The MIG slices that a CUDA_VISIBLE_DEVICES of `named` names, in its order; the driver tells less of a slice
        than of a whole GPU."""
        names = [name.strip() for name in (named or "").split(",") if name.strip().startswith("MIG-")]
        handles = [(at, self._ask("nvmlDeviceGetHandleByUUID", name)) for at, name in enumerate(names)]
        return [self._read(at, handle, pids, key=-2 - at) for at, handle in handles if handle is not None]

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
            found[uuid] = [self._named(one) for one in self._holders(handle)]
        return found

    def _holders(self, handle: Any) -> list[Holder]:
        """Without their names."""
        known: dict[int, Holder] = {}
        for kind in ("Compute", "Graphics"):
            for process in self._ask(f"nvmlDeviceGet{kind}RunningProcesses", handle) or []:
                known[process.pid] = Holder(pid=process.pid, mib=_number(process, lambda p: p.usedGpuMemory / _MIB))
        return sorted(known.values(), key=lambda one: -(one.mib or 0))

    def _named(self, holder: Holder) -> Holder:
        return msgspec.structs.replace(holder, name=self._name(holder.pid))

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

    def _read(self, index: int, handle: Any, pids: tuple[int, ...], key: int | None = None) -> GpuReading:
        """`key`: under which that is kept what never changes; its index unless given."""
        key = index if key is None else key
        memory = self._ask("nvmlDeviceGetMemoryInfo", handle)
        rates = self._ask("nvmlDeviceGetUtilizationRates", handle)
        milliwatts = self._ask("nvmlDeviceGetPowerUsage", handle)
        millijoules = self._ask("nvmlDeviceGetTotalEnergyConsumption", handle)
        holders = self._holders(handle) if pids else []
        ours = [one.mib for one in holders if one.pid in pids and one.mib is not None]
        sensor = getattr(self._library, "NVML_TEMPERATURE_GPU", 0)
        return GpuReading(
            index=index,
            uuid=_text(self._keep("nvmlDeviceGetUUID", key, handle)) or str(index),
            name=_text(self._keep("nvmlDeviceGetName", key, handle)) or "GPU",
            vram_used_mib=_number(memory, lambda m: m.used / _MIB),
            vram_total_mib=_number(memory, lambda m: m.total / _MIB),
            vram_this_run_mib=sum(ours) if ours else None,
            utilization_percent=_number(rates, lambda r: r.gpu),
            temperature_c=_number(self._ask("nvmlDeviceGetTemperature", handle, sensor), lambda t: t),
            power_w=_number(milliwatts, lambda p: p / 1000),
            energy_j=_number(millijoules, lambda e: e / 1000),
            slowed_by=self._slowed_by(handle),
            others=self._others(holders, pids),
        )

    def _slowed_by(self, handle: Any) -> tuple[str, ...]:
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons", handle)
        if bits is None:  # of drivers before 535
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
        return tuple(dict.fromkeys(why for bit, why in SLOWED_BY.items() if int(bits or 0) & bit))

    def _others(self, holders: list[Holder], pids: tuple[int, ...]) -> tuple[Holder, ...]:
        """All but the run's own processes. Where none of these is among them the process ids may be those of another
        system, as in a container, and no name would be sure."""
        others = [one for one in holders if one.pid not in pids]
        is_ours = len(others) < len(holders)
        return tuple(self._named(one) if is_ours else one for one in others[:MOST_HOLDERS])

    def _ask(self, function: str, *arguments: Any) -> Any:
        """The driver's answer, or None where it has none; a driver may fail at any call."""
        try:
            return getattr(self._library, function)(*arguments)
        except Exception:
            return None


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
