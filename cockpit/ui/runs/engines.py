"""Who starts engines and who asks the GPU driver: cockpit's own, or a test's"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cockpit.launch.engines import EngineKey, StartedEngine
    from cockpit.machine.gpu import GpuReport
    from cockpit.runs.folder import RunDir


class Engines(Protocol):
    """Who starts engines: cockpit.launch.engines, or a test's own."""

    def start_standby(self, key: EngineKey) -> StartedEngine:
        """An engine that imports the stack and waits."""
        ...

    def start_engine(self, key: EngineKey, name: str) -> StartedEngine:
        """An engine in a run folder of its own."""
        ...

    def start_resuming_engine(self, run: RunDir, key: EngineKey, *, force: bool = False) -> StartedEngine:
        """An engine in the folder of a run that has ended."""
        ...


class Probe(Protocol):
    """Who asks the GPU driver: cockpit.machine.gpu.GpuProbe, or a test's own."""

    def poll(self) -> GpuReport | None:
        """The answer, or None while there is none."""
        ...
