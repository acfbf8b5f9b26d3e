"""Whether an engine lives, and what is done with its run: every state of engine.json, lock, heartbeat and log."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import ANY

import msgspec
import pytest

from cockpit.paths import runs_folder
from cockpit.protocol.commands import Unload
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import RunEnded
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.engine_lock import RunTaken, take_lock
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.lock_state import LOCK, lock_state
from cockpit.runs.resumable import ResumePoint, SilentEngine, let_chat_go
from tests.recording import RECIPE
from tests.torture.states import CASES, IDENTITIES, OLD_S, Identity, built, wrong


@pytest.mark.parametrize("identity", IDENTITIES)
def test_every_state_is_judged_rightly_by_list_resume_attach_and_app(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that was up before anything of it was written."""
    monkeypatch.setattr("cockpit.runs.liveness.boot_time", lambda: time.time() - 2 * OLD_S)
    faults = []
    for case in CASES:
        if case.identity == identity:
            with built(case) as run:
                faults += wrong(case, run)
    assert faults == []


def elsewhere(run: RunDir, **changes: str) -> None:
    """The engine that is named is out of sight."""
    here = EngineIdentity.of_this_process("unsloth")
    run.write_identity(msgspec.structs.replace(here, boot_id="another", started=1.0, **changes))


def beat(run: RunDir, seconds_ago: float) -> None:
    run.heartbeat.touch()
    os.utime(run.heartbeat, (time.time() - seconds_ago,) * 2)


def test_a_run_from_before_a_reboot_is_lost_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDir.create(runs_folder() / "demo-1")
    elsewhere(run)
    beat(run, seconds_ago=5)
    monkeypatch.setattr("cockpit.runs.liveness.boot_time", lambda: time.time() - 2)
    assert run.liveness() == "lost"
    monkeypatch.setattr("cockpit.runs.liveness.boot_time", lambda: time.time() - 60)
    assert run.liveness() == "alive", "a machine of the same name beats: this one was up by then"


def test_a_silent_engine_may_be_forced_only_after_minutes() -> None:
    run = RunDir.create(runs_folder() / "demo-1")
    elsewhere(run, host="far")
    before = RecipeDocument.parse(RECIPE, "recipe.yaml").recipe()
    beat(run, seconds_ago=60)
    with pytest.raises(SilentEngine, match=r"on far, has been silent for 1 m \d\d s: after 3 m 00 s") as early:
        ResumePoint.of(run, before, force=True)
    assert not early.value.may_be_forced
    beat(run, seconds_ago=200)
    with pytest.raises(SilentEngine, match="if it has ended, the run can resume") as due:
        ResumePoint.of(run, before)
    assert due.value.may_be_forced
    with pytest.raises(ValueError, match="no checkpoint to resume from"):
        ResumePoint.of(run, before, force=True)


def test_a_chat_is_asked_to_go_and_an_engine_that_is_there_to_train_is_not() -> None:
    run = RunDir.create(runs_folder() / "demo-1")
    lock = take_lock(run.path)
    log = EventWriter(run.events)
    here = EngineIdentity.of_this_process("unsloth")
    run.write_identity(here)
    os.utime(run.engine_json, (0, 0))
    log.append(RunEnded(outcome="completed", step=1))
    assert let_chat_go(run)
    assert run.take_commands() == [Unload(id=ANY, pid=here.pid)]
    # One that was named since has not said a word yet; the second of its start may be that of the word before.
    for started, named_at in ((time.time() + 1, 0.0), (here.started, time.time() + 1)):
        run.write_identity(msgspec.structs.replace(here, started=started))
        os.utime(run.engine_json, (named_at, named_at))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(EngineIdentity, "is_running", lambda identity: True)
            with pytest.raises(ValueError, match="has an engine already: process"):
                let_chat_go(run)
    assert run.take_commands() == []
    log.close()
    os.close(lock)


def test_a_folder_that_an_engine_has_still_to_move_is_one_of_a_run_that_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    link = RunLink(RunDir.create(runs_folder() / "here"))
    link.move_to(RunDir(runs_folder() / "there"))
    assert link.liveness() == "starting"
    monkeypatch.setattr("cockpit.runs.link.MOVES_WITHIN_S", 0.0)
    assert link.liveness() == "lost"


def test_a_lock_says_who_holds_it_and_is_free_once_let_go() -> None:
    run = RunDir.create(runs_folder() / "demo-1")
    assert lock_state(run.path) == "unknown"
    lock = take_lock(run.path)
    assert lock_state(run.path) == "held"
    with pytest.raises(RunTaken, match=rf"demo-1 has an engine already: process {os.getpid()} on .*, since 20"):
        take_lock(run.path)
    with pytest.raises(RunTaken):
        take_lock(run.path, force=True)  # its holder has just begun
    os.utime(run.path / LOCK, (1, 1))
    forced = take_lock(run.path, force=True)
    os.close(lock)
    assert lock_state(run.path) == "held"
    os.close(forced)
    assert lock_state(run.path) == "free"


def test_of_two_who_force_at_once_one_has_the_run() -> None:
    run = RunDir.create(runs_folder() / "demo-1")
    held = take_lock(run.path)
    os.utime(run.path / LOCK, (1, 1))
    start = threading.Barrier(4)

    def force(_: int) -> int | None:
        start.wait()
        try:
            return take_lock(run.path, force=True)
        except RunTaken:
            return None

    with ThreadPoolExecutor(4) as pool:
        locks = [lock for lock in pool.map(force, range(4)) if lock is not None]
    assert len(locks) == 1
    for lock in (held, *locks):
        os.close(lock)
