"""QueueWorker: has the queue worked through while the app is open, by a process that ends with it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from cockpit.runs.queue import Queue

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument

LOOK_EVERY_S = 2.0
AGAIN_AFTER_S = 10.0
"""After a runner that has ended, where something still waits."""
Worker = Literal["this app", "another process", ""]


class QueueWorker:
    """`tick`, called ten times a second, waits for nothing."""

    def __init__(self, start: Callable[[Queue], subprocess.Popen[bytes]] | None = None) -> None:
        """`start` stands in for launch/queue_process.py in tests."""
        self.queue = Queue()
        self._start = start
        self._runner: subprocess.Popen[bytes] | None = None
        self._looked_at = self._ended_at = float("-inf")

    def tick(self) -> None:
        """Start a runner where something waits and nobody works through the queue."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        if self._runner is not None and self._runner.poll() is not None:
            self._runner, self._ended_at = None, now
        if self._runner is not None or now - self._ended_at < AGAIN_AFTER_S:
            return
        if any(entry.is_waiting for entry in self.queue.entries()) and not self.queue.is_worked_on():
            from cockpit.launch import queue_process

            start = self._start or queue_process.start_queue_runner
            try:
                self._runner = start(self.queue)
            except OSError:
                self._ended_at = now  # a full disk: it is tried again

    @property
    def worker(self) -> Worker:
        """Who works through the queue just now; empty where nobody does."""
        if self._runner is not None and self._runner.poll() is None:
            return "this app"
        return "another process" if self.queue.is_worked_on() else ""

    def add(self, document: RecipeDocument, folder: str) -> int:
        """Put a recipe at the end; its number among those that wait. Raises RecipeError, and OSError where the queue
        cannot be written."""
        name = document.recipe().output.run_name or document.name
        added = self.queue.add(name, document.resolved_yaml(), folder)
        waiting = [entry.id for entry in self.queue.entries() if entry.is_waiting]
        return waiting.index(added.id) + 1

    def close(self) -> None:
        """End the runner; the runs that it has started go on."""
        if self._runner is not None and self._runner.poll() is None:
            self._runner.terminate()
