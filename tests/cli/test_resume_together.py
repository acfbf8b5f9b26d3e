"""cockpit resume on several machines: a later one joins the run that the first one has begun to go on with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NoReturn

import msgspec
import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.launch import engines
from cockpit.launch.engines import EngineKey
from cockpit.launch.meeting import Meeting
from cockpit.paths import runs_folder
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from tests.recording import RECIPE, Ending, record
from tests.runs.complete_checkpoint import write_checkpoint

TWO = "hardware:\n  gpu: none\n  nodes: 2\n  parallel: ddp\n"
HERE = ("--nodes", "2", "--node-rank", "1", "--rdzv", "node0:7000")


class Joined(Exception):
    """The ranks of this machine would be started."""


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[EngineKey, RunDir]]]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found: list[tuple[EngineKey, RunDir]] = []

    def start(key: EngineKey, run: RunDir) -> NoReturn:
        found.append((key, run))
        raise Joined

    monkeypatch.setattr(engines, "start_node", start)
    yield found


def ended(ending: Ending, *, silent_s: float = 0.0) -> RunDir:
    """A run of two machines whose first one, node0, was last heard so long ago."""
    run = record(runs_folder(), ending=ending, until=120)
    run.recipe.write_text(RECIPE + TWO)
    write_checkpoint(run.checkpoints, 120)
    far = {"host": "node0", "boot_id": "another", "pid_namespace": "another"}
    run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), **far))
    run.touch_heartbeat(time.time() - silent_s)
    return run


def resume(run: RunDir) -> Result:
    return CliRunner().invoke(cockpit, ["resume", run.id, *HERE])


@pytest.mark.parametrize("ending", ["lost", "stopped"])
def test_the_second_machine_joins_a_run_that_the_first_has_begun_to_go_on_with(
    ending: Ending, joined: list[tuple[EngineKey, RunDir]]
) -> None:
    run = ended(ending)
    Meeting(2, 0, "node0:7000").announce(run, attempt=2)
    said = resume(run)
    assert isinstance(said.exception, Joined), said.output
    assert [(key.meeting, found.path) for key, found in joined] == [(Meeting(2, 1, "node0:7000"), run.path)]


def test_the_second_machine_is_told_at_once_that_there_is_nothing_to_resume(
    joined: list[tuple[EngineKey, RunDir]],
) -> None:
    run = ended("lost", silent_s=600.0)
    said = resume(run)
    assert said.exit_code == 1 and said.stderr.endswith("Give --force then.\n") and not joined
