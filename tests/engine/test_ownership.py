"""A folder that another engine has taken, or that was moved or deleted while its engine works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from cockpit.engine.engine import Engine
from cockpit.engine.errors import RunFailure
from cockpit.engine.journal import Journal
from cockpit.engine.ownership import Ownership
from cockpit.engine.worker import Worker
from cockpit.launch.engines import EngineKey, start_chat_engine, start_resuming_engine
from cockpit.paths import runs_folder
from cockpit.protocol.commands import AnyCommand, Stop, Train, UnreadableCommand
from cockpit.protocol.event_log import newest_event
from cockpit.protocol.events import EngineExited, LogWritten, RunEnded
from cockpit.runs.engine_lock import RunTaken, take_lock
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.lock_state import lock_state
from tests.engine.follower import Follower
from tests.runs.complete_checkpoint import write_safetensors

OURS = EngineIdentity.of_this_process("transformers")
ANOTHER = msgspec.structs.replace(OURS, pid=1, boot_id="another", host="another")


def train_until_stopped(worker: Worker) -> None:
    """In place of the worker's work: the run trains until it is stopped, and would then save."""
    worker.journal.enter_phase("training")
    while worker.controls.stop is None and not worker.controls.leaving:
        threading.Event().wait(0.01)
    worker.end_run(RunEnded(outcome="stopped", step=3))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(Worker, "work", train_until_stopped)
    monkeypatch.setattr("cockpit.engine.engine.HEARTBEAT_S", 0.1)
    return RunDir.create(runs_folder() / "demo-1")


@contextmanager
def training(run: RunDir) -> Iterator[tuple[Engine, Follower, threading.Thread]]:
    """An engine on a thread, once it has taken the run up."""
    engine = Engine(run, "transformers")
    hosting = threading.Thread(target=engine.run)
    hosting.start()
    follower = Follower(RunLink(run))
    try:
        run.send(Train(id="train", run_id=run.id, command=["test"]))
        follower.until(lambda: "train" in follower.state.answers)
        yield engine, follower, hosting
    finally:
        engine.terminate()
        hosting.join(60)


@contextmanager
def between_two_looks(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within this the engine has looked for commands, and has yet to look who has the run."""
    has_looked, goes_on, take_commands = threading.Event(), threading.Event(), RunDir.take_commands

    def take_and_wait(run: RunDir) -> list[AnyCommand | UnreadableCommand]:
        found = take_commands(run)
        has_looked.set()
        assert goes_on.wait(60)
        return found

    patch.setattr(RunDir, "take_commands", take_and_wait)
    assert has_looked.wait(60)
    patch.setattr(RunDir, "take_commands", take_commands)
    yield
    goes_on.set()


def test_an_engine_whose_run_another_has_taken_ends_and_writes_nothing(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    with training(run) as (engine, _, hosting):
        with between_two_looks(monkeypatch):
            run.write_identity(ANOTHER)
            run.send(Stop(id="for the other"))
            before = run.events.read_bytes()
        hosting.join(60)
        assert not hosting.is_alive()
        assert engine.was_taken
    assert run.events.read_bytes() == before
    assert [command.id for command in run.take_commands()] == ["for the other"]
    assert run.identity() == ANOTHER
    assert not run.adapter.exists()


def test_an_engine_names_itself_anew_where_its_name_was_damaged(run: RunDir) -> None:
    with training(run) as (engine, follower, _):
        for damage in (lambda: run.engine_json.write_bytes(b""), run.engine_json.unlink):
            damage()
            follower.until(lambda: run.identity() == OURS)
        assert not engine.was_taken


def test_a_run_whose_folder_is_moved_fails_and_says_where_it_lies(run: RunDir, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    with training(run) as (_, follower, hosting):
        run.path.rename(place)
        hosting.join(60)
        follower.until_exited()
    ended = follower.all(RunEnded)[-1]
    assert ended.outcome == "failed"
    assert f"it lies in {place}" in ended.reason
    assert str(run.path) in ended.advice
    assert not run.path.exists()
    assert isinstance(newest_event(place / "events.jsonl"), EngineExited)


def test_a_run_whose_folder_is_deleted_fails_and_makes_no_ghost_of_it(run: RunDir) -> None:
    with training(run) as (_, follower, hosting):
        while run.path.exists():  # a heartbeat may fall into a folder that is being emptied
            shutil.rmtree(run.path, ignore_errors=True)
        hosting.join(60)
        follower.until_exited()
    (ended,) = follower.all(RunEnded)
    assert (ended.outcome, "was deleted during the run" in ended.reason) == ("failed", True)
    assert not run.path.exists()


def test_nothing_is_saved_into_a_folder_that_is_gone_or_another_engines(run: RunDir, tmp_path: Path) -> None:
    ownership = Ownership(run, OURS)
    journal = Journal(run, 1, ownership)
    journal.check_folder()
    run.path.rename(tmp_path / "moved")
    with pytest.raises(RunFailure, match="was moved"):
        journal.check_folder()
    (tmp_path / "moved").rename(run.path)
    journal.check_folder()
    run.write_identity(ANOTHER)
    with pytest.raises(RunFailure, match="Another engine"):
        journal.check_folder()
    journal.emit(LogWritten(level="info", text="x"))
    assert run.events.read_bytes() == b""
    ownership.release()


def test_of_two_starters_one_is_told_who_has_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the engine has said a word, and without a change to the recipe or the commands."""
    run = RunDir.create(runs_folder() / "demo-1")
    (run.adapter).mkdir()
    (run.adapter / "adapter_config.json").write_text("{}")
    write_safetensors(run.adapter / "adapter_model.safetensors")
    monkeypatch.setattr(sys, "executable", stand_in(run.path.parent))
    first = start_resuming_engine(run, EngineKey("transformers", "none"))
    try:
        assert lock_state(run.path) == "held"
        assert run.liveness() == "alive"
        assert run.identity() == EngineIdentity.of_process(first.process.pid, "transformers")
        for start in (start_resuming_engine, start_chat_engine):
            monkeypatch.setattr(RunDir, "liveness", lambda run: "lost")  # as looked at before the first had the lock
            with pytest.raises(ValueError, match=rf"has an engine already: process {first.process.pid} on .*, since"):
                start(run, EngineKey("transformers", "none"))
        with pytest.raises(RunTaken):
            Engine(run, "transformers")
    finally:
        first.process.kill()
        first.process.wait()
    wait_until_free(run)


def wait_until_free(run: RunDir) -> None:
    """The kernel takes a moment to close what a process had open."""
    deadline = time.monotonic() + 60
    while lock_state(run.path) != "free":
        assert time.monotonic() < deadline, "the lock is still held"


def stand_in(folder: Path) -> str:
    """A program that keeps what it has inherited, in place of Python."""
    program = folder / "python"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o700)
    return str(program)


def test_a_lock_that_was_handed_on_is_not_inherited_by_what_the_engine_starts(run: RunDir) -> None:
    lock = take_lock(run.path)
    os.set_inheritable(lock, True)  # as in a process that was given it
    ownership = Ownership(run, OURS, lock)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    ownership.release()
    wait_until_free(run)
    assert child.poll() is None
    child.communicate(b"\n")
