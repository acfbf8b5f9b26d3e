"""What is known of the standby engine and of the machine, and who is asked for both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from cockpit.gpu import GpuReport
    from cockpit.links import EngineKey, StartedEngine
    from cockpit.run_dir import RunDir

Stage = Literal["none", "importing", "warm", "failed"]


@dataclass(frozen=True)
class EngineStatus:
    """What the top line says of engine and machine. `report` is None until the driver has answered.

    `share` of the import, 0 to 1, None where the engine does not say; `vram_mib` what the engine holds of its GPU, None
    where there is none; `note` says why an engine was replaced, until the new one is warm.
    """

    stage: Stage = "none"
    detail: str = ""
    share: float | None = None
    pid: int | None = None
    vram_mib: float | None = None
    note: str = ""
    gpu: str = ""
    report: GpuReport | None = None


class Engines(Protocol):
    """Who starts engines: cockpit.links, or a test's own."""

    def start_standby(self, key: EngineKey) -> StartedEngine:
        """An engine that imports the stack and waits."""
        ...

    def start_engine(self, key: EngineKey, name: str) -> StartedEngine:
        """An engine in a run folder of its own."""
        ...

    def start_resuming_engine(self, run: RunDir, key: EngineKey) -> StartedEngine:
        """An engine in the folder of a run that has ended."""
        ...


class Probe(Protocol):
    """Who asks the GPU driver: cockpit.gpu.GpuProbe, or a test's own."""

    def poll(self) -> GpuReport | None:
        """The answer, or None while there is none."""
        ...
