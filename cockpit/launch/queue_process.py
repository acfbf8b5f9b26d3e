"""The process that works through the queue: `cockpit queue run`, which ends with its app, or once all is done"""

from __future__ import annotations

import os
import subprocess

from cockpit.disk import open_to_append
from cockpit.machine.child_environment import child_environment, python_command
from cockpit.runs.queue import Queue


def start_queue_runner(queue: Queue, *, outlives: bool = False) -> subprocess.Popen[bytes]:
    """Work through the queue as long as this process lives, or, where it `outlives` it, until nothing is left, also
    once another process has left off; what is said of it goes to runner.log beside the entries. Raises OSError."""
    queue.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open_to_append(queue.folder / "runner.log") as log:
        return subprocess.Popen(
            python_command("cockpit", "queue", "run", *(["--next"] if outlives else ["--with", str(os.getpid())])),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=child_environment(),
            start_new_session=True,
        )
