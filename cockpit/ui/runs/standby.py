"""The engine that warms up while the person edits, and what is known of the machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cockpit.protocol import events as ev
from cockpit.runs.folder import why_unwritable
from cockpit.text.plain_text import plain_line
from cockpit.ui.runs.engines import Engines, Probe
from cockpit.ui.widgets.top_line import EngineStatus

if TYPE_CHECKING:
    from cockpit.launch.engines import EngineKey, EngineProcess, StartedEngine
    from cockpit.machine.gpu import GpuReport
    from cockpit.recipe.recipe import Recipe

PROBE_EVERY_S = 10.0
"""How old the driver's answer gets while recipes are shown: others come and go on the same GPUs."""
CLEARLY_FREER_MIB = 2048.0
"""So much more free memory makes `auto` leave the GPU that an engine is warm for: readings always differ a little."""
SETTLED_AFTER_S = 1.0
"""An engine is replaced only once another key has been wanted for so long: passing over a recipe costs no import."""


@dataclass
class Standby:
    """At most one engine without a run. `tick` is called about ten times a second; nothing here waits.

    `probes` begins to ask the GPU driver anew; `report` is its newest answer.
    """

    engines: Engines
    probes: Callable[[], Probe]
    report: GpuReport | None = None
    _probe: Probe | None = None
    _probed_at: float = float("-inf")
    _was_shown: bool = False
    _is_doubted: bool = False
    _wanted: EngineKey | None = None
    _wanted_since: float = 0.0
    _refused: str = ""
    _recipe: Recipe | None = None
    _engine: StartedEngine | None = None
    _given: StartedEngine | None = None
    _failed: EngineKey | None = None
    _status: EngineStatus = field(default_factory=EngineStatus)
    _started: list[EngineProcess] = field(default_factory=list)

    def key_for(self, recipe: Recipe) -> EngineKey:
        """The key of the recipe's engine. Raises ValueError with a sentence where its GPU is not there.

        Without any driver, a recipe that asks for the CPU and one that takes what there is are served by one engine.
        """
        from cockpit.launch.engines import EngineKey
        from cockpit.machine.gpu import DRIVERLESS, free_mib
        from cockpit.preflight.devices import with_devices_counted

        assert self.report is not None
        counted = with_devices_counted(recipe, self.report)
        key = EngineKey.of(counted, self.report)
        if counted.hardware.gpus == 1 and recipe.hardware.gpu.strip().lower() == "auto" and self._engine is not None:
            free = {gpu.uuid: free_mib(gpu) for gpu in self.report.visible()}
            warm = self._engine.key.gpu
            if warm in free and free[warm] + CLEARLY_FREER_MIB >= free.get(key.gpu, 0.0):
                key = replace(key, gpu=warm)
        is_bare = not (self.report.gpus or self.report.driver or self.report.problem)
        return replace(key, gpu=DRIVERLESS) if is_bare else key

    def want(self, recipe: Recipe | None) -> None:
        """Be warm for `recipe`; for none, keep what there is."""
        if recipe is not None:
            self._recipe = recipe
            self._settle_key()

    def tick(self, *, may_start: bool, is_shown: bool = True) -> EngineStatus:
        """Look at driver and engine; with `may_start`, start or replace the engine where the recipe asks for it.

        `is_shown` where recipes are: what is free on the GPUs is asked again when they come back, and as they stay.
        """
        self._started = [process for process in self._started if process.poll() is None]
        self._ask_driver(is_shown=is_shown)
        if may_start and self._wanted is not None:
            self._start_or_replace(self._wanted)
        if self._engine is not None:
            self._look_at(self._engine)
        elif self._refused:
            self._status = EngineStatus(detail=self._refused)
        self._status = replace(self._status, report=self.report, gpu=self._wanted.gpu if self._wanted else "")
        return self._status

    def take(self, key: EngineKey, name: str) -> StartedEngine:
        """The engine for a run: the standby where its key fits and it lives, else a new one. Raises OSError."""
        engine, self._engine = self._engine, None
        self._failed, self._status = None, EngineStatus()
        if engine is not None and engine.key == key and engine.process.poll() is None:
            self._given = engine
            return engine
        if engine is not None:
            self._dismiss(engine)
        engine = self.engines.start_engine(key, name)
        self._started.append(engine.process)
        self._given = engine
        return engine

    def end_refusing(self) -> None:
        """End the engine that was taken last: it has refused its run, and would wait for another for ever."""
        if self._given is not None:
            self._given.dismiss()
            self._given = None

    def dismiss(self) -> None:
        """End the engine that has no run."""
        if self._engine is not None:
            self._dismiss(self._engine)
            self._engine, self._status = None, EngineStatus()

    def _ask_driver(self, *, is_shown: bool) -> None:
        comes_back, self._was_shown = is_shown and not self._was_shown, is_shown
        if self._probe is None:
            is_old = time.monotonic() - self._probed_at >= PROBE_EVERY_S
            known = self.report
            changes = known is None or (bool(known.gpus) and is_shown and (comes_back or is_old))
            if not changes and not (known is not None and known.problem and comes_back):
                return
            self._probed_at = time.monotonic()
            try:
                self._probe = self.probes()
            except OSError as error:
                from cockpit.machine.gpu import GpuReport

                self.report = self.report or GpuReport(problem=f"The NVIDIA driver cannot be asked: {error}")
                self._settle_key()
                return
        answer = self._probe.poll()
        if answer is None:
            return
        self._probe = None
        # A driver that has answered before may be late once on a busy machine; only the second failure is believed.
        had_gpus = self.report is not None and bool(self.report.gpus)
        self._is_doubted, is_believed = bool(answer.problem), self._is_doubted or not (answer.problem and had_gpus)
        if is_believed and answer != self.report:
            self.report = answer
            self._settle_key()

    def _settle_key(self) -> None:
        if self._recipe is None or self.report is None:
            return
        key: EngineKey | None
        try:
            key, self._refused = self.key_for(self._recipe), ""
        except ValueError as error:
            key, self._refused = None, plain_line(str(error))
        if key != self._wanted:
            self._wanted, self._wanted_since = key, time.monotonic()

    def _start_or_replace(self, key: EngineKey) -> None:
        note = ""
        if key.ranks > 1:  # so many processes are started for their run alone
            self.dismiss()
            self._status = EngineStatus(detail=f"{key.ranks} processes are started with the run")
            return
        if self._engine is not None:
            settled = time.monotonic() - self._wanted_since > SETTLED_AFTER_S
            if self._engine.key == key or not settled:
                return
            note = _difference(self._engine.key, key)
            self._dismiss(self._engine)
            self._engine = None
        elif self._failed == key:
            return
        try:
            self._engine = self.engines.start_standby(key)
            self._started.append(self._engine.process)
            self._status = EngineStatus("importing", note=note)
        except OSError as error:
            self._failed = key
            self._status = EngineStatus("failed", why_unwritable(error))

    def _look_at(self, engine: StartedEngine) -> None:
        status = self._status
        for event in engine.link.poll():
            match event:
                case ev.EngineStarted():
                    status = replace(status, pid=event.pid)
                case ev.PhaseStarted(phase="importing"):
                    status = replace(status, stage="importing", detail=plain_line(event.detail))
                case ev.PhaseProgressed(phase="importing"):
                    status = replace(status, share=event.done / event.total if event.total else None)
                case ev.PhaseStarted(phase="standby"):
                    status = replace(status, stage="warm", detail="", share=None, note="")
                case ev.MachineRead():
                    held = [gpu.vram_this_run_mib for gpu in event.gpus if gpu.vram_this_run_mib is not None]
                    status = replace(status, vram_mib=sum(held) if held else None)
                case ev.EngineExited() if event.reason:
                    status = replace(status, stage="failed", detail=plain_line(event.reason))
        if engine.process.poll() is not None:
            said = (
                status.detail if status.stage == "failed" else f"it ended by itself; see {engine.link.run.engine_log}"
            )
            status = EngineStatus("failed", said)
            engine.link.close()
            self._engine, self._failed = None, engine.key
        self._status = status

    def _dismiss(self, engine: StartedEngine) -> None:
        engine.dismiss()
        engine.link.close()


def _difference(was: EngineKey, now: EngineKey) -> str:
    if was.backend != now.backend:
        return f"for backend {now.backend}"
    if was.gpu != now.gpu:
        return "for the CPU" if now.gpu == "none" else "for another GPU"
    return "with the compiler" if now.compile else "without the compiler"
