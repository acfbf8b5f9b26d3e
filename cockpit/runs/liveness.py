"""Whether the engine of a run lives: what its identity, the lock, the heartbeat and the end of the log say of it"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from cockpit.protocol.values import Moment, Pid
from cockpit.runs.lock_state import Held, boot_id, pid_namespace

Liveness = Literal["starting", "alive", "silent", "lost", "exited"]
"""starting: no engine has said who it is yet. silent: an engine whose process cannot be looked at has given no sign
for SILENT_AFTER_S. lost: its process is gone, but it never said EngineExited. exited: it said so."""

SILENT_AFTER_S = 30.0
TAKE_UP_AFTER_S = 180.0
"""A run whose engine has been silent for so long may be taken up by force."""
STARTS_WITHIN_S = 10.0
"""A starter names its engine at once; a folder without that which is older was left so."""


class EngineIdentity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """engine.json: the one process that may write this run's events. `started` is psutil's create_time, in seconds.

    Where several ranks train, the process that has started them stands here for all, and `ranks` are their pids on its
    machine, rank 0 first."""

    host: str
    boot_id: str
    pid_namespace: str
    pid: Pid
    started: Moment
    backend: str
    ranks: tuple[Pid, ...] = ()

    @classmethod
    def of_this_process(cls, backend: str) -> EngineIdentity:
        """Who we are."""
        return cls.of_process(os.getpid(), backend)

    @classmethod
    def of_process(cls, pid: int, backend: str) -> EngineIdentity:
        """Who a process is that has this pid for us. Raises ProcessLookupError where there is none."""
        import psutil

        try:
            started = psutil.Process(pid).create_time()
        except psutil.Error as error:
            raise ProcessLookupError(str(error)) from None
        return cls(
            host=os.uname().nodename,
            boot_id=boot_id(),
            pid_namespace=pid_namespace(),
            pid=pid,
            started=started,
            backend=backend,
        )

    def is_same_process(self, other: EngineIdentity) -> bool:
        """Whether both are one process, which may have been named by its starter and by itself."""
        here, there = ((one.host, one.boot_id, one.pid_namespace, one.pid, one.backend) for one in (self, other))
        return here == there and abs(self.started - other.started) < 1

    def is_on_this_boot(self) -> bool:
        """Whether its pid means the same process here as there."""
        return (self.boot_id, self.pid_namespace) == (boot_id(), pid_namespace())

    def is_running(self) -> bool:
        """Whether that very process still runs; ask only where is_on_this_boot."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


@dataclass(frozen=True)
class Signs:
    """What can be seen of an engine. Times are Unix time in seconds, None where there is no such file; `lock` and
    `has_exited` (whether the log ends with this engine's exit) are looked at only where they decide."""

    identity: EngineIdentity | None
    named_at: float | None
    """When engine.json was written, readable or not."""
    beat_at: float | None
    made_at: float | None
    """When a starter last took the lock, or the folder was made."""
    lock: Callable[[], Held]
    has_exited: Callable[[], bool]

    @property
    def silence_s(self) -> float:
        """Seconds since its last sign of life; a clock that is ahead of ours counts as far off as one behind."""
        seen = self.beat_at if self.beat_at is not None else self.named_at
        return abs(time.time() - seen) if seen is not None else float("inf")

    def liveness(self) -> Liveness:
        """What these signs amount to."""
        if self.identity is None:
            return self._of_nobody()
        if self.identity.is_on_this_boot():
            # A clock that was set meanwhile moves the start times of all processes; then the lock tells.
            runs = self.identity.is_running() or (_has_process(self.identity.pid) and self.lock() == "held")
            return "alive" if runs else "lost"
        return self._from_afar(self.identity)

    def _of_nobody(self) -> Liveness:
        """No engine is named, or in a file that is damaged: one that lives would name itself anew at its next tick."""
        if self.lock() == "held":
            return "starting"
        if self.has_exited():
            return "exited"
        may_be_elsewhere = self.silence_s < SILENT_AFTER_S and (self.beat_at or 0.0) >= boot_time()
        is_new = self.named_at is None and time.time() - (self.made_at or 0.0) < STARTS_WITHIN_S
        return "starting" if may_be_elsewhere or is_new else "lost"

    def _from_afar(self, identity: EngineIdentity) -> Liveness:
        """The process is out of sight: on another machine, in another container, or of an earlier boot."""
        if self.has_exited():
            return "exited"
        has_rebooted = identity.host == os.uname().nodename and identity.boot_id != boot_id()
        if has_rebooted and (self.beat_at is None or self.beat_at < boot_time()):
            return "lost"
        if self.silence_s < SILENT_AFTER_S:
            return "alive"
        lock = self.lock()
        if lock == "held":
            return "silent"
        return "lost" if has_rebooted or (lock == "free" and identity.boot_id == boot_id()) else "silent"


def boot_time() -> float:
    """When this machine was booted, Unix time in seconds."""
    import psutil

    return psutil.boot_time()


def _has_process(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid)
