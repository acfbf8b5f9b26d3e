"""How the worker tells of a run: begun first, ended once, whatever the disk and the driver do."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from cockpit.engine import beginning
from cockpit.engine.controls import Controls
from cockpit.engine.journal import Journal
from cockpit.engine.machine import Machine
from cockpit.engine.worker import Worker
from cockpit.machine.installed import INSTALL_STACK, NO_STACK
from cockpit.protocol.commands import Train
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import AnyEvent, RunEnded, RunStarted
from cockpit.runs.folder import RunDir
from tests.engine import tiny

COMPLETED = RunEnded(outcome="completed", step=3)
FAILED = RunEnded(outcome="failed", step=3, reason="The engine ended unexpectedly.")


class FullDisk(Journal):
    """A journal whose disk is full while `full`."""

    full = False

    def emit(self, event: AnyEvent) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().emit(event)


class Begun:
    """A worker that has been given a run and does not work on it."""

    def __init__(self, folder: Path) -> None:
        self.run = RunDir.create(folder / "run")
        data = tiny.write_rows(folder / "rows.jsonl", tiny.chat_rows(4))
        self.run.recipe.write_text(tiny.recipe_text(folder, data), encoding="utf-8")
        self.journal = FullDisk(self.run)
        self.worker = Worker(self.run, "unsloth", self.journal, Controls(), Machine(), chat_only=False)

    def begin(self) -> None:
        self.worker.begin_run(Train(id="t", run_id="run", command=["test"]))

    def announced(self) -> bool:
        return self.worker.beginning.told.wait(60)

    def told(self) -> list[AnyEvent]:
        return EventReader(self.run.events).poll()


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begun:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return Begun(tmp_path)


def test_an_end_that_the_disk_did_not_take_is_told_later(begun: Begun) -> None:
    begun.begin()
    assert begun.announced()
    begun.journal.full = True
    with pytest.raises(OSError, match="No space left"):
        begun.worker.end_run(COMPLETED)
    assert begun.worker.ended is False
    begun.journal.full = False
    begun.worker.end_run(FAILED)
    begun.worker.end_run(FAILED)
    ends = [event for event in begun.told() if isinstance(event, RunEnded)]
    assert [end.outcome for end in ends] == ["completed"]


def test_a_run_that_comes_once_the_import_has_failed_ends_with_its_reason(
    begun: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(backend: str) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("cockpit.engine.worker.import_stack", fail)
    begun.worker.work()
    begun.begin()
    begun.worker.end_run(FAILED)
    (ended,) = [event for event in EventReader(begun.run.events).poll() if isinstance(event, RunEnded)]
    assert ended.outcome == "failed" and ended.reason.startswith(NO_STACK)
    assert ended.advice == INSTALL_STACK


def test_a_run_that_ends_while_its_data_is_hashed_begins_before_it_ends(
    begun: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = threading.Event()

    def hash_slowly(recipe: object) -> dict[str, str]:
        hashed.wait(60)
        return {"rows.jsonl": "0" * 64}

    monkeypatch.setattr(beginning, "data_hashes", hash_slowly)
    monkeypatch.setattr(beginning, "DRIVER_WAITS_S", 0.01)
    begun.begin()
    begun.worker.end_run(FAILED)
    hashed.set()
    assert begun.announced()
    assert [type(event) for event in begun.told()] == [RunStarted, RunEnded]


def test_a_beginning_that_the_disk_did_not_take_is_told_before_the_end(begun: Begun) -> None:
    begun.journal.full = True
    begun.begin()
    assert begun.announced()
    begun.journal.full = False
    begun.worker.end_run(FAILED)
    assert [type(event) for event in begun.told()] == [RunStarted, RunEnded]
