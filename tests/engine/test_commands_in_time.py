"""Commands that come before an engine or with its end: none hits the wrong engine, none is left unanswered."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from cockpit.engine.controls import Controls
from cockpit.engine.engine import Engine
from cockpit.engine.journal import Journal
from cockpit.engine.worker import Worker
from cockpit.paths import standby_folder
from cockpit.protocol.commands import Chat, Stop, StopReply, Train, Unload
from cockpit.protocol.events import AnyEvent, CommandAnswered, LogWritten, RunEnded, StopRequested
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from tests.engine.follower import Follower


def hold_a_model(worker: Worker) -> None:
    """In place of the worker's work: ready at once, and busy with another reply until the engine leaves."""
    worker.ready_at = time.monotonic()
    worker.journal.enter_phase("ready")
    while not worker.controls.leaving:
        threading.Event().wait(0.01)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(Worker, "work", hold_a_model)
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


def test_commands_for_an_engine_that_has_gone_do_not_hit_the_next(run: RunDir) -> None:
    run.send(Unload(id="stale"))
    engine = Engine(run, "transformers", chat_only=True)
    run.send(Unload(id="another's", pid=os.getpid() + 1))
    run.send(ask("asked"))
    hosting = threading.Thread(target=engine.run)
    hosting.start()
    follower = Follower(RunLink(run))
    try:
        follower.until(lambda: not list(run.commands.iterdir()))
        run.send(Unload(id="ours", pid=os.getpid()))
        follower.until_exited()
    finally:
        engine.terminate()
        hosting.join(60)
    answers = {answer.command_id: answer for answer in follower.all(CommandAnswered)}
    assert set(answers) == {"stale", "another's", "asked", "ours"}
    assert [name for name, answer in answers.items() if answer.stale] == ["stale", "another's"]
    assert answers["another's"].text == "The engine that this was for has gone."
    assert answers["stale"].text == "The engine that this was for has gone, and has not done it."


def test_what_is_no_command_of_this_version_is_refused_and_told(run: RunDir) -> None:
    engine = Engine(run, "transformers", chat_only=True)
    for name, content in (("a", '{"type":"Juggle","id":"newer"}'), ("half", '{"type":"Sto')):
        (run.commands / f"{time.time_ns():020d}-{name}.json").write_text(content)
    run.send(Unload(id="unload"))
    engine.run()
    follower = Follower(RunLink(run))
    follower.until_exited()
    answers = {answer.command_id: answer for answer in follower.all(CommandAnswered)}
    assert [(name, answer.accepted, answer.command) for name, answer in answers.items()] == [
        ("newer", False, "Juggle"),
        ("half", False, ""),
        ("unload", True, "Unload"),
    ]
    told = [line.text for line in follower.all(LogWritten)]
    assert told == [f"A command was refused. {answers[name].text}" for name in ("newer", "half")]
    assert list(run.commands.iterdir()) == []


def test_a_command_that_the_engine_fails_to_do_does_not_end_the_run(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(run, "transformers", chat_only=True)

    def fail(controls: Controls, chat_id: str) -> None:
        raise ValueError("embedded null byte")

    monkeypatch.setattr(Controls, "end_reply", fail)
    run.send(StopReply(id="odd", chat_id="chat"))
    run.send(Unload(id="unload"))
    engine.run()
    follower = Follower(RunLink(run))
    follower.until_exited()
    answers = {answer.command_id: answer for answer in follower.all(CommandAnswered)}
    assert answers["odd"].text == "The engine failed to do this: embedded null byte."
    assert answers["unload"].accepted


def test_a_run_id_that_no_folder_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(Worker, "work", hold_a_model)
    standby = RunDir.create(standby_folder() / "warm")
    engine = Engine(standby, "transformers", chat_only=False)
    run_ids = ("a/b", "..", "", "a\0b", "x" * 300)
    for at, run_id in enumerate(run_ids):
        standby.send(Train(id=f"{at}", run_id=run_id, command=[]))
    link = RunLink(standby)
    follower = Follower(link)
    hosting = threading.Thread(target=engine.run)
    hosting.start()
    try:
        follower.until(lambda: len(follower.all(CommandAnswered)) == len(run_ids))
    finally:
        engine.terminate()
        hosting.join(60)
    assert not any(answer.accepted for answer in follower.all(CommandAnswered))
    assert not hosting.is_alive()


def test_a_stop_that_is_accepted_is_told_to_every_reader(run: RunDir) -> None:
    engine = Engine(run, "transformers")
    hosting = threading.Thread(target=engine.run)
    hosting.start()
    follower = Follower(RunLink(run))
    try:
        run.send(Stop(id="early"))
        run.send(Train(id="train", run_id="run", command=[]))
        for name, save in (("save", True), ("again", True), ("drop", False), ("late", True)):
            run.send(Stop(id=name, save=save))
        follower.until(lambda: len(follower.all(CommandAnswered)) == 6)
    finally:
        engine.terminate()
        hosting.join(60)
    told = [(event.command_id, event.save, event.attempt) for event in follower.all(StopRequested)]
    assert told == [("save", True, 1), ("drop", False, 1)]
    refused = [answer.command_id for answer in follower.all(CommandAnswered) if not answer.accepted]
    assert refused == ["early"]


def test_the_stop_of_an_engine_that_is_told_to_end_is_told_too(run: RunDir) -> None:
    engine = Engine(run, "transformers")
    hosting = threading.Thread(target=engine.run)
    hosting.start()
    follower = Follower(RunLink(run))
    try:
        run.send(Train(id="train", run_id="run", command=[]))
        follower.until(lambda: len(follower.all(CommandAnswered)) == 1)
    finally:
        engine.terminate()
        hosting.join(60)
    follower.until_exited()
    assert [(event.command_id, event.save) for event in follower.all(StopRequested)] == [("", True)]


def test_the_age_of_a_process_is_known_finer_than_the_clock_of_its_boot() -> None:
    from cockpit.engine.engine import process_age_s

    created = psutil.Process().create_time()
    assert min(abs(time.time() - process_age_s() - created) for _ in range(9)) < 1.1
    assert process_age_s() <= process_age_s()


def test_an_answer_that_cannot_be_written_loses_no_later_command(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    emit = Journal.emit

    def full_for_answers(journal: Journal, event: AnyEvent) -> None:
        if isinstance(event, CommandAnswered):
            raise OSError(errno.ENOSPC, "No space left on device")
        emit(journal, event)

    def wait_for_a_stop(worker: Worker) -> None:
        while worker.controls.stop is None:
            threading.Event().wait(0.01)

    monkeypatch.setattr(Journal, "emit", full_for_answers)
    monkeypatch.setattr(Worker, "work", wait_for_a_stop)
    engine = Engine(run, "transformers")
    run.send(Train(id="train", run_id="run", command=[]))
    run.send(StopReply(id="first", chat_id="chat"))
    run.send(Stop(id="second"))
    engine.run()
    follower = Follower(RunLink(run))
    follower.until_exited()
    assert [ended.outcome for ended in follower.all(RunEnded)] == ["stopped"]
    assert follower.all(CommandAnswered) == []
