"""The forks that other tests take for processes."""

from __future__ import annotations

import os
import signal
import threading

from tests.engine.warm_stack import ForkedProcess, WarmStack


def test_a_status_is_told_to_all_who_ask_at_once_and_again(plain_stack: WarmStack) -> None:
    process, _ = plain_stack.fork(_end_killed)
    told: list[int] = []

    def ask() -> None:
        told.append(ForkedProcess(plain_stack, process.pid).wait())

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert told == [-signal.SIGKILL] * 4
    assert plain_stack.status_of(process.pid) == -signal.SIGKILL


def _end_killed() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0
