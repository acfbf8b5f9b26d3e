"""Commands that come before an engine or with its end: none hits the wrong engine, none is left unanswered."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from cockpit.commands import Chat, Unload
from cockpit.engine.engine import Engine
from cockpit.engine.worker import Worker
from cockpit.events import CommandAnswered
from cockpit.links import RunLink
from cockpit.run_dir import RunDir
from tests.engine.follower import Follower


def hold_a_model(worker: Worker) -> None:
    """In place of the worker's work: ready at once, and busy with another reply until the engine leaves."""
    worker.ready_at = time.monotonic()
    worker._journal.turn_to("ready")
    while not worker._orders.leaving:
        threading.Event().wait(0.01)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(Worker, "_work", hold_a_model)
    return RunDir.create(tmp_path / "run")


def ask(name: str) -> Chat:
    return Chat(id=name, messages=[{"role": "user", "content": "hi"}])


def test_a_chat_in_the_queue_is_answered_when_the_engine_leaves(run: RunDir) -> None:
    engine = Engine(run, "transformers", chat_only=True)
    run.send(ask("waiting"))
    run.send(Unload(id="unload"))
    engine.run()
    follower = Follower(RunLink(run))
    follower.until_exited()
    answers = {answer.command_id: answer for answer in follower.all(CommandAnswered)}
    assert answers["unload"].accepted
    assert not answers["waiting"].accepted
    assert answers["waiting"].text.endswith(".")
