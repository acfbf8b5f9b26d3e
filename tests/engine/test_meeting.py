"""The first of several machines waits for the others, and they see from afar that it does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from argparse import Namespace

import msgspec
import pytest

from cockpit.engine import torchrun
from cockpit.launch.meeting import Meeting
from cockpit.paths import runs_folder
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.ranks import wish_to_go_on
from tests.recording import record

AT_MOST_S = 60.0


def test_a_run_that_was_silent_before_is_alive_for_the_others_while_the_first_machine_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = record(runs_folder(), ending="lost", until=20)
    far = {"host": "node0", "boot_id": "another", "pid_namespace": "another"}
    run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("transformers"), **far))
    run.touch_heartbeat(time.time() - 3600)
    first, second = Meeting(2, 0, "node0:7000"), Meeting(2, 1, "node0:7000")
    first.announce(run, attempt=2)
    assert second.announced() is None, "its last engine is silent"
    found: list[RunDir | None] = []

    def launch(run: RunDir, options: Namespace, of_engine: list[str], status: list[int]) -> None:
        found.append(second.wait(AT_MOST_S))  # torchrun's meeting waits for the second machine
        status.append(0)

    monkeypatch.setattr(torchrun, "launch", launch)
    assert torchrun.start(run, Namespace(nodes=2, node_rank=0, lock=3), []) == 0
    assert [each and each.path for each in found] == [run.path]


@pytest.mark.parametrize(("signals", "starts"), [([], 2), ([signal.SIGTERM], 1)])
def test_a_signal_that_no_rank_was_there_for_ends_the_run_where_it_would_begin_anew(
    monkeypatch: pytest.MonkeyPatch, signals: list[int], starts: int
) -> None:
    run = record(runs_folder(), ending="lost", until=20)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    identity = EngineIdentity.of_this_process("transformers")
    run.write_identity(msgspec.structs.replace(identity, ranks=(gone.pid, gone.pid)))
    run.ranks.mkdir()
    missed: list[int] = []
    started: list[int] = []

    def start(run: RunDir, options: Namespace, of_engine: list[str]) -> int:
        started.append(1)
        if len(started) == 1:
            wish_to_go_on(run)
            missed.extend(one for one in signals if not torchrun.hand_on(run, one, 0))
            return 1
        return 0

    monkeypatch.setattr(torchrun, "start", start)
    status = torchrun.keep_started(run, Namespace(nodes=1, node_rank=0, lock=3), [], missed)
    assert (len(started), status) == (starts, 1 if signals else 0)
