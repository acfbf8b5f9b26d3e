"""How many cores this process may use: fewer than the machine has where a container or a queue of jobs says so"""

from __future__ import annotations

import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Of the container's control group: microseconds of CPU time, or max, and the microseconds that they are of."""


def usable_cores(quota: Path = QUOTA) -> int:
    """At least 1."""
    cores = len(os.sched_getaffinity(0))
    try:
        given, period = quota.read_text(encoding="ascii").split()
        return max(1, min(cores, int(given) // int(period)))
    except (OSError, ValueError):
        return cores  # no container, or one that sets no limit
