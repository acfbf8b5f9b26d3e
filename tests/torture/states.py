"""Every state of engine.json, lock, heartbeat and log: what list, resume, attach and the app's keys make of each

python -m tests.torture.states builds all of them and prints what was judged wrongly, with the real commands for
`--trials` of them, drawn at random.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Literal

import msgspec
import pytest

from cockpit.cli.follow import follow
from cockpit.cli.report import LineReport
from cockpit.paths import runs_folder
from cockpit.protocol import events as ev
from cockpit.protocol.event_log import EventWriter
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.engine_lock import take_lock
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from cockpit.runs.liveness import EngineIdentity, Liveness, boot_time
from cockpit.runs.lock_state import LOCK
from cockpit.runs.resumable import ResumePoint, SilentEngine
from cockpit.runs.status import State, is_active, is_resumable
from cockpit.runs.summary import RunSummary
from cockpit.ui.runs.session import RunSession
from tests.recording import RECIPE
from tests.runs.complete_checkpoint import write_checkpoint

Identity = Literal[
    "running here",
    "gone here",
    "pid reused",
    "empty",
    "truncated",
    "pid -1",
    "pid huge",
    "missing",
    "other boot",
    "other container",
    "other host",
]
Log = Literal["empty", "started", "running", "ended", "exited"]
Heartbeat = Literal["fresh", "old", "missing", "in the future"]
Attach = Literal["waits", "says it is gone", "says it is silent", "tells the end"]
Resume = Literal["goes on", "goes on by force", "still going"]

IDENTITIES: tuple[Identity, ...] = Identity.__args__  # type: ignore[attr-defined]
LOGS: tuple[Log, ...] = Log.__args__  # type: ignore[attr-defined]
HEARTBEATS: tuple[Heartbeat, ...] = Heartbeat.__args__  # type: ignore[attr-defined]
OLD_S = 600.0
"""How old all is that is not fresh: longer than an engine may be silent."""
AHEAD_S = 3600.0
WAITS_S = 15.0
"""An attach that has not ended after so long waits."""

# What is right, by identity: without a lock and with one, for each of HEARTBEATS. The log says nothing of an exit.
RIGHT: dict[Identity, tuple[tuple[Liveness, ...], tuple[Liveness, ...]]] = {
    "running here": (("alive",) * 4, ("alive",) * 4),
    "gone here": (("lost",) * 4, ("lost",) * 4),
    "pid reused": (("lost",) * 4, ("alive",) * 4),  # a clock that was set moves start times: the lock tells
    **dict.fromkeys(
        ("empty", "truncated", "pid -1", "pid huge", "missing"),
        (("starting", "lost", "lost", "lost"), ("starting",) * 4),
    ),
    "other boot": (("alive", "lost", "lost", "lost"), ("alive", "silent", "lost", "silent")),
    "other container": (("alive", "lost", "lost", "lost"), ("alive", "silent", "silent", "silent")),
    "other host": (("alive", "silent", "silent", "silent"), ("alive", "silent", "silent", "silent")),
}
HERE: tuple[Identity, ...] = ("running here", "gone here", "pid reused")
NAMED_FROM_AFAR: tuple[Identity, ...] = ("other boot", "other container", "other host")


@dataclass(frozen=True)
class Case:
    """One state of a run's folder, and what is right for it."""

    identity: Identity
    log: Log
    is_locked: bool
    heartbeat: Heartbeat

    @property
    def liveness(self) -> Liveness:
        """Of the engine."""
        if self.log == "exited" and (self.identity in NAMED_FROM_AFAR or not (self.identity in HERE or self.is_locked)):
            return "exited"
        return RIGHT[self.identity][self.is_locked][HEARTBEATS.index(self.heartbeat)]

    @property
    def state(self) -> State:
        """Of the run, in lists."""
        if self.log in ("ended", "exited"):
            return "stopped"
        named: dict[Liveness, State] = {"alive": "running", "starting": "starting", "silent": "silent"}
        return named.get(self.liveness, "lost")

    @property
    def resume(self) -> Resume:
        """What a resume does."""
        if self.liveness == "silent":
            return "goes on by force"
        return "still going" if self.state in ("running", "starting") else "goes on"

    @property
    def attach(self) -> Attach:
        """What watching it comes to."""
        if self.log in ("ended", "exited"):
            return "tells the end"
        if self.liveness == "silent":
            return "says it is silent"
        return "says it is gone" if self.liveness in ("lost", "exited") else "waits"


CASES = tuple(
    Case(identity, log, is_locked, heartbeat)
    for identity, log, is_locked, heartbeat in product(IDENTITIES, LOGS, (False, True), HEARTBEATS)
)


@contextmanager
def built(case: Case) -> Iterator[RunDir]:
    """A run's folder in that state, with a checkpoint in it."""
    run = RunDir.create(runs_folder() / "demo-1")
    now = time.time()
    lock = take_lock(run.path)
    try:
        run.recipe.write_text(RECIPE)
        _write_log(run, case.log)
        write_checkpoint(run.checkpoints, 2)
        _write_identity(run, case.identity)
        if run.engine_json.exists():
            os.utime(run.engine_json, (now - OLD_S, now - OLD_S))
        beat = {"fresh": now, "old": now - OLD_S, "in the future": now + AHEAD_S}.get(case.heartbeat)
        if beat is not None:
            run.heartbeat.touch()
            os.utime(run.heartbeat, (beat, beat))
        os.utime(run.path / LOCK, (now - OLD_S, now - OLD_S))
        if not case.is_locked:
            os.close(lock)
            lock = -1
        yield run
    finally:
        if lock >= 0:
            os.close(lock)
        run.remove()


def _write_log(run: RunDir, upto: Log) -> None:
    log = EventWriter(run.events)
    written: dict[Log, list[ev.AnyEvent]] = {
        "started": [ev.EngineStarted(pid=1, host="h", backend="unsloth")],
        "running": [
            ev.RunStarted(
                run_id="demo-1", recipe_name="demo", command=[], versions={}, gpus=[], driver="", data_sha256={}
            ),
            ev.TrainingPlanned(total_steps=9, steps_per_epoch=1, trainable_parameters=1, total_parameters=1),
            ev.StepEnded(step=1, total_steps=9, epoch=0, step_time_s=1, metrics={"loss": 1.0}),
        ],
        "ended": [ev.RunEnded(outcome="stopped", step=1)],
        "exited": [ev.EngineExited(reason="done")],
    }
    for kind in LOGS[1 : LOGS.index(upto) + 1]:
        for event in written[kind]:
            log.append(event)
    log.close()


def _write_identity(run: RunDir, kind: Identity) -> None:
    here = EngineIdentity.of_this_process("unsloth")
    afar = msgspec.structs.replace(here, started=time.time() - OLD_S)
    boot, host = {"boot_id": "another"}, {"host": "another"}
    known: dict[Identity, EngineIdentity] = {
        "running here": here,
        "gone here": msgspec.structs.replace(here, pid=2**22 + 1),
        "pid reused": msgspec.structs.replace(here, started=1.0),
        "other boot": msgspec.structs.replace(afar, **boot),
        "other container": msgspec.structs.replace(afar, pid_namespace="pid:[1]"),
        "other host": msgspec.structs.replace(afar, **boot, **host),
    }
    content = msgspec.json.encode(here)
    damaged: dict[Identity, bytes] = {
        "empty": b"",
        "truncated": content[: len(content) // 2],
        "pid -1": msgspec.json.encode(msgspec.to_builtins(here) | {"pid": -1}),
        "pid huge": msgspec.json.encode(msgspec.to_builtins(here) | {"pid": 2**62}),
    }
    if kind in known:
        run.write_identity(known[kind], durable=False)
    elif kind != "missing":
        run.engine_json.write_bytes(damaged[kind])


class _Waits(Exception):
    pass


def wrong(case: Case, run: RunDir) -> list[str]:
    """What is judged otherwise than is right, a line each."""
    document = RecipeDocument.load(run.recipe)
    found = {
        "liveness": (run.liveness(), case.liveness),
        "list": (RunSummary.of(run).state, case.state),
        "resume": (_resume(run, document), case.resume),
        "attach": (_attach(run), case.attach),
        "keys": (_keys(_screen_state(run, document)), _keys(case.state)),
    }
    return [f"{case}: {what} is {got!r}, right is {right!r}" for what, (got, right) in found.items() if got != right]


def _keys(state: State) -> tuple[str, ...]:
    """The keys that a run in this state has on its screen; in lists, it is the same with `resume`."""
    return (*(["stop"] if is_active(state) else []), *(["resume"] if is_resumable(state) else []))


def _resume(run: RunDir, document: RecipeDocument) -> Resume | str:
    try:
        ResumePoint.of(run, document.recipe())
        return "goes on"
    except SilentEngine as error:
        if not error.may_be_forced:
            return str(error)
        ResumePoint.of(run, document.recipe(), force=True)
        return "goes on by force"
    except ValueError as error:
        return "still going" if "still going" in str(error) else str(error)


def _attach(run: RunDir) -> Attach | str:
    polls = 0

    def sleep(seconds: float) -> None:
        nonlocal polls
        polls += 1
        if polls > 3:
            raise _Waits

    out, link = io.StringIO(), RunLink(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cockpit.cli.follow.time.sleep", sleep)
        try:
            status = follow(link, LineReport(out))
        except _Waits:
            return "waits"
        finally:
            link.close()
    said = out.getvalue()
    if status == 130:
        return "tells the end"
    if status == 1 and "--force" in said:
        return "says it is silent"
    return "says it is gone" if status == 1 and "has gone" in said else said


def _screen_state(run: RunDir, document: RecipeDocument) -> State:
    session = RunSession(RunLink(run), document.recipe(), document)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cockpit.ui.runs.session.LOOK_AT_ENGINE_EVERY_S", 0.0)
        while session.poll() and session.is_behind:
            pass
        session.poll()
    session.link.close()
    return session.status


def _said_by_commands(case: Case, run: RunDir) -> list[str]:
    """What the real `runs`, `resume` and `attach` do otherwise than is right; a resume that may go on is not begun."""
    faults = []
    listed = subprocess.run(_cockpit("runs", "--json"), capture_output=True, text=True, check=False)
    if f'"state": "{case.state}"' not in listed.stdout:
        faults.append(f"{case}: runs said {listed.stdout or listed.stderr}")
    if case.resume != "goes on":
        refused = subprocess.run(_cockpit("resume", "demo-1"), capture_output=True, text=True, check=False)
        words = "still going" if case.resume == "still going" else "--force"
        if refused.returncode != 1 or words not in refused.stderr:
            faults.append(f"{case}: resume ended with {refused.returncode} and said {refused.stderr}")
    try:
        if case.heartbeat == "fresh":
            run.heartbeat.touch()
        nothing = subprocess.DEVNULL
        attach = subprocess.Popen(_cockpit("attach", "demo-1"), stdin=nothing, stdout=nothing, stderr=nothing)
        status: int | None = attach.wait(WAITS_S)
    except subprocess.TimeoutExpired:
        attach.kill()
        attach.wait()
        status = None
    if status != {"waits": None, "tells the end": 130}.get(case.attach, 1):
        faults.append(f"{case}: attach ended with {status}")
    return faults


def _cockpit(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cockpit", *arguments]


def main() -> int:
    """The table, and the states that went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.states")
    parser.add_argument("--trials", type=int, default=20, help="states that the real commands are given")
    trials = parser.parse_args().trials
    if boot_time() > time.time() - OLD_S:
        parser.error(f"wait until this machine has been up for {OLD_S:.0f} s, as old signs of life are")
    drawn = random.Random(0).sample(CASES, min(trials, len(CASES)))
    rows: list[tuple[str, tuple[Case, ...] | list[Case], Callable[[Case, RunDir], list[str]]]] = [
        ("judged in this process", CASES, wrong),
        ("judged by the real commands", drawn, _said_by_commands),
    ]
    failed = 0
    with tempfile.TemporaryDirectory() as home:
        os.environ["COCKPIT_HOME"] = home
        print(f"{'':30}{'states':>8}{'wrong':>8}")
        for name, cases, judge in rows:
            faults = []
            for case in cases:
                with built(case) as run:
                    faults += judge(case, run)
            print(f"{name:30}{len(cases):>8}{len({fault.split(':')[0] for fault in faults}):>8}", *faults, sep="\n  ")
            failed += len(faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
