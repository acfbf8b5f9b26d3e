"""A deadline for Python code that others wrote and that may loop, as a chat template: none of its steps is slowed"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_EVERY_S = 0.25


class DeadlinePassed(Exception):
    """The code has not ended in its time."""


class _Watch:
    """One piece of code that a thread runs."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.thread = threading.get_ident()
        self.until = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._is_over = False

    def end(self) -> None:
        """From here on nothing is raised."""
        with self._lock:
            self._is_over = True

    def raise_there(self) -> None:
        """Raise DeadlinePassed in the thread, before its next step."""
        with self._lock:
            if not self._is_over:
                self._is_over = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self.thread), ctypes.py_object(DeadlinePassed)
                )


class _Watchdog:
    """The thread that looks at all of them; a process that was forked gets one of its own."""

    def __init__(self) -> None:
        self.watches: set[_Watch] = set()
        self._process = 0

    def begin(self) -> None:
        if self._process != os.getpid():
            self._process = os.getpid()
            threading.Thread(target=self._look, name="deadlines", daemon=True).start()

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            for watch in self.watches.copy():
                if now > watch.until:
                    watch.raise_there()


_watchdog = _Watchdog()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raises DeadlinePassed where the body takes longer, LOOK_EVERY_S more or less. A single call into C, such as one
    regular expression, is not interrupted."""
    _watchdog.begin()
    watch = _Watch(seconds)
    _watchdog.watches.add(watch)
    try:
        yield
    except DeadlinePassed:
        raise DeadlinePassed(f"it has not ended within {seconds:g} s") from None
    finally:
        watch.end()
        _watchdog.watches.discard(watch)
