"""The first of several machines waits for the others, and they see from afar that it does."""

from __future__ import annotations

import time
from argparse import Namespace

import msgspec
import pytest

from cockpit.engine import torchrun
from cockpit.launch.meeting import Meeting
from cockpit.paths import runs_folder
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
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
