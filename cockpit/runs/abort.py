"""Ending an engine in the middle of whatever it does, and saying so in its run's log in its place"""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import EngineExited, RunEnded
from cockpit.runs.folder import RunDir

if TYPE_CHECKING:
    import psutil

ENGINES = ("cockpit.engine", "cockpit.engine.torchrun")
"""One of these stands on the command line of every engine; the ranks of several end with the second."""
ENDS_WITHIN_S = 2.0
"""How long a killed engine is waited for."""


def abort_run(run: RunDir, step: int) -> None:
    """End the engine of a run, whoever has started it, in the middle of whatever it does, and say so in its log in its
    place, after step `step`. Compiling heeds nothing else.

    Raises ValueError with a sentence where it is out of reach, OSError where the folder cannot be written.
    """
    import psutil

    identity = run.identity()
    if identity is None:
        raise ValueError("The engine has not said yet which process it is; try again in a moment.")
    if not identity.is_on_this_boot():
        if run.liveness() == "lost":
            tell_aborted(run, step)
            return
        raise ValueError("The engine runs on another machine; end it there.")
    if identity.pid == os.getpid():
        raise ValueError("The engine is a thread of this very program; end that.")
    if identity.is_running():
        try:
            process = psutil.Process(identity.pid)
            if not _is_engine(process, run):
                raise ValueError(f"Process {identity.pid} is not the engine of this run; it is left alone.")
            process.kill()
            process.wait(ENDS_WITHIN_S)
        except psutil.NoSuchProcess:
            pass  # it has ended just now
        except psutil.Error as error:
            raise ValueError(f"The engine cannot be ended: {error}.") from error
    tell_aborted(run, step)


def _is_engine(process: psutil.Process, run: RunDir) -> bool:
    """Whether the process is an engine of this user's that holds the run's lock: engine.json may have come from
    elsewhere and name any process. Raises psutil.Error."""
    if process.uids().real != os.getuid() or not set(ENGINES) & set(process.cmdline()):
        return False
    lock = run.path / "engine.lock"
    return any(Path(file.path) == lock.resolve() for file in process.open_files())


def tell_aborted(run: RunDir, step: int) -> None:
    """Write the run's end in place of its engine, which is gone; engine.json goes on naming that one, so that nobody
    waits for us. Raises OSError where the folder cannot be written."""
    identity = run.identity()
    if identity is not None and identity.is_on_this_boot():
        _wait_for(identity.ranks)
    reason = "Aborted: the engine was ended in the middle of a step; nothing more was saved."
    with closing(EventWriter(run.events)) as log:
        log.append(RunEnded(outcome="stopped", step=step, reason=reason))
        log.append(EngineExited(reason="aborted"))


def _wait_for(pids: tuple[int, ...]) -> None:
    """Several ranks end with the process that has started them, in a moment."""
    import psutil

    deadline = time.monotonic() + ENDS_WITHIN_S
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
