"""The engine on a thread of the command's own process."""

from __future__ import annotations

import os
import sys

import pytest

from cockpit.cli.in_process import host_engine
from cockpit.engine.worker import Worker
from cockpit.launch.engines import EngineKey


def test_an_engine_on_a_thread_ends_as_sigterm_ends_one(monkeypatch: pytest.MonkeyPatch) -> None:
    key = EngineKey("transformers", "none")
    for name in key.environment():
        monkeypatch.setenv(name, os.environ.get(name, ""))  # what it sets here is put back after the test
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(Worker, "work", lambda worker: worker.controls.work.get())
    started = host_engine(key, "demo")
    assert started.process.poll() is None
    started.process.terminate()
    assert started.process.wait(60) == 0
