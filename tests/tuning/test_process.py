"""cockpit tune as a child process: what it says comes line by line, also what is wrong."""

from __future__ import annotations

import sys
import time

import pytest

from cockpit.tuning import process
from cockpit.tuning.process import TuneProcess
from cockpit.tuning.told import Told, TuneEnded, TuneStarted, encode

STARTED = TuneStarted(recipe="demo", gpu="", budget_s=60.0)
ENDED = TuneEnded(number=0, name="", settings={}, times=None, took_s=1.0, stopped=True)
CHILD = f"""
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where who started the tests ignores it
assert sys.stdin.read() == "a recipe"
print({encode(STARTED)!r}, flush=True)
print("no line of ours", flush=True)
try:
    time.sleep(100)
except KeyboardInterrupt:
    print({encode(ENDED)!r}, end="", flush=True)
    print()
    sys.exit(130)
"""


def told(child: TuneProcess, count: int) -> list[Told]:
    found: list[Told] = []
    deadline = time.monotonic() + 120
    while len(found) < count and not child.problem:
        assert time.monotonic() < deadline
        found += child.poll()
        time.sleep(0.01)
    return found


def test_what_is_said_comes_as_it_is_said_and_a_stop_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "python_command", lambda *_: [sys.executable, "-c", CHILD])
    child = TuneProcess("a recipe", 60.0)
    assert told(child, 1) == [STARTED]
    assert child.is_running
    child.stop()
    assert told(child, 1) == [ENDED]
    child.end()
    assert child.problem == ""


def test_what_is_wrong_is_said() -> None:
    child = TuneProcess("schema: 1\nmethod: sft\n", 60.0)
    assert told(child, 1) == []
    assert "model: is missing" in child.problem
    child.end()
