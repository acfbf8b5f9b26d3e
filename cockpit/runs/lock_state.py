"""Whether a process of this machine holds a run's lock, and which boot and container this is; quick to import"""

from __future__ import annotations

import fcntl
import os
from typing import Literal

LOCK = "engine.lock"

Held = Literal["held", "free", "unknown"]
"""free: no process on this kernel has the lock. unknown: there is no such file, or its disk knows no locks."""


def lock_state(folder: str | os.PathLike[str], name: str = LOCK) -> Held:
    """Whether a process that this kernel knows of holds the folder's lock of that name."""
    try:
        lock = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)  # noqa: PTH118
    except OSError:
        return "unknown"
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "held"
    except OSError:
        return "unknown"
    finally:
        os.close(lock)
    return "free"


def boot_id() -> str:
    """What tells this boot of this machine from all others."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as told:  # noqa: PTH123
            return told.read().strip()
    except OSError:
        return os.uname().nodename


def pid_namespace() -> str:
    """What tells this container's pids from another's."""
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:
        return ""
