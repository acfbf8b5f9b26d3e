"""cockpit train --in-process: the same engine on a thread of this process, for debuggers and notebooks."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cockpit.launch.engines import EngineKey, StartedEngine, new_run
from cockpit.runs.link import RunLink

if TYPE_CHECKING:
    from cockpit.engine.engine import Engine


@dataclass
class EngineThread:
    """The thread, with the few words of subprocess.Popen that a starter of engines uses."""

    thread: threading.Thread
    engine: Engine
    pid: int
    stdin: None = None

    def poll(self) -> int | None:
        """None while it runs."""
        return None if self.thread.is_alive() else 0

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end, `timeout` seconds at most."""
        self.thread.join(timeout)
        return self.poll()

    def terminate(self) -> None:
        """Ask the engine to finish its step, save, and go."""
        self.engine.terminate()

    def kill(self) -> None:
        """End this process: a thread cannot be ended alone."""
        os._exit(130)


def host_engine(key: EngineKey, name: str) -> StartedEngine:
    """Run an engine on a thread here. What importing the stack reads from the environment is set for this process."""
    from cockpit.engine.engine import Engine

    os.environ.update(key.environment())
    sys.stdout = sys.stderr  # what the stack prints must not mix with what the command prints
    run = new_run(name)
    engine = Engine(run, key.backend)
    thread = threading.Thread(target=engine.run, name="engine", daemon=True)
    thread.start()
    return StartedEngine(key, RunLink(run), EngineThread(thread, engine, os.getpid()))
