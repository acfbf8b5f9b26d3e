"""ChatEngine: an engine for a run whose own is gone: asks for the GPUs, starts it, and says how that goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

from cockpit.launch.engines import EngineKey, StartedEngine, start_chat_engine
from cockpit.machine.gpu import GpuProbe
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.protocol.events import EngineStarted
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.link import Link
    from cockpit.runs.state import RunState

Stage = Literal["none", "probing", "starting", "running", "failed"]


class Owner(Protocol):
    """Whose model is loaded; RunSession is one."""

    link: Link
    recipe: Recipe
    state: RunState
    is_engine_ours: bool


class ChatEngine:
    """`load` begins; `tick`, called ten times a second, goes on with it. Nothing here waits."""

    def __init__(
        self,
        session: Owner,
        probe: Callable[[], GpuProbe] = GpuProbe,
        start: Callable[..., StartedEngine] = start_chat_engine,
    ) -> None:
        self._session = session
        self._make_probe, self._start = probe, start
        self._probe: GpuProbe | None = None
        self._engine: StartedEngine | None = None
        self._before: EngineStarted | None = None
        self.stage: Stage = "none"
        self.problem = ""
        """Why there is no engine, in a sentence; empty while all is well."""

    def load(self) -> None:
        """Start an engine that loads what the run has saved."""
        if self.stage in ("probing", "starting"):
            return
        self.problem, self.stage = "", "probing"
        self._before = self._session.state.engine
        self._probe = self._make_probe()

    def tick(self) -> None:
        """Look at the probe, then at the process."""
        if self.stage == "probing" and self._probe is not None:
            report = self._probe.poll()
            if report is None:
                return
            try:
                key = EngineKey.to_ask(self._session.recipe, report)
                self._engine = self._start(self._session.link.run, key)
            except (OSError, ValueError) as error:
                self._fail(plain_line(str(error)))
                return
            self._engine.link.close()
            self._session.is_engine_ours = True
            self.stage = "starting"
        elif self._engine is not None and self.stage in ("starting", "running"):
            if self._session.state.engine is not self._before:
                self.stage = "running"
            ended = self._engine.process.poll()
            if ended is not None and self.stage == "starting":
                self._fail(f"The engine ended with status {ended} before it could load the model; see engine.log.")

    def end(self, *, discards: bool = False) -> None:
        """End the engine that was started here; what it holds in memory is given back. `discards`: with its folder."""
        if self._engine is not None and discards:
            self._engine.discard()
        elif self._engine is not None and self._engine.process.poll() is None:
            self._engine.process.terminate()
        self._engine = self._probe = None
        self.stage = "none"

    def _fail(self, problem: str) -> None:
        self.problem, self.stage = problem, "failed"
