"""Several machines that train one run: where they meet, which run it is, and what is started."""

from __future__ import annotations

import os
import socket

import pytest

from cockpit.launch.engines import EngineKey
from cockpit.launch.meeting import Meeting
from cockpit.machine.gpu import GpuReport
from cockpit.paths import runs_folder
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import RunEnded, RunStarted
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from tests.recording import RECIPE

WRONG = [
    (2, None, None, "--nodes 2: nobody knows where they meet; give --rdzv HOST:PORT of the first."),
    (2, 0, "a b", "--rdzv a b: this is no place to meet; write it as HOST:PORT, such as node1:29500."),
    (2, 0, "node1:0", "--rdzv node1:0: this is no place to meet; write it as HOST:PORT, such as node1:29500."),
    (2, 0, "node1:70000", "--rdzv node1:70000: this is no place to meet; write it as HOST:PORT, such as node1:29500."),
    (2, None, "node1:1", "--nodes 2: which of them is this? Give --node-rank 0 on the first, 1 on the next."),
    (2, 2, "node1:1", "--node-rank 2: there are 2 machines, from 0 to 1."),
    (1, 1, "node1:1", "--node-rank 1: there is one machine, number 0."),
    (None, 1, None, "--node-rank 1: it is for several machines; give --nodes too."),
    (None, None, "node1:1", "--rdzv node1:1: it is for several machines; give --nodes too."),
]


@pytest.mark.parametrize(("nodes", "node", "rdzv", "says"), WRONG, ids=lambda _: "")
def test_what_says_no_meeting_has_its_sentence(
    nodes: int | None, node: int | None, rdzv: str | None, says: str
) -> None:
    with pytest.raises(ValueError) as refused:
        Meeting.of(nodes, node, rdzv, {})
    assert str(refused.value) == says


def test_machines_are_told_by_the_command_line_or_by_slurm() -> None:
    assert Meeting.of(None, None, None, {}) is None and Meeting.of(1, None, None, {}) is None
    assert Meeting.of(1, 0, "node1:7000", {}) is None, "a template for any number of machines"
    assert Meeting.of(1, None, "node1:7000", {"SLURM_NODEID": "0"}) is None
    assert Meeting.of(2, 1, "node1", {}) == Meeting(2, 1, "node1:29500")
    assert Meeting.of(3, None, "[fe80::1]:7000", {"SLURM_NODEID": "2"}) == Meeting(3, 2, "[fe80::1]:7000")
    told = Meeting(2, 1, "node1:7000").options()
    assert told == ("--nodes", "2", "--node-rank", "1", "--rdzv", "node1:7000")


def test_a_port_that_is_taken_is_told_on_the_first_machine() -> None:
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        port = other.getsockname()[1]
        taken = Meeting(2, 0, f"node1:{port}").why_not_here()
    assert taken == f"--rdzv node1:{port}: port {port} is not free here (Address already in use); give another one."
    assert Meeting(2, 0, f"node1:{port}").why_not_here() == ""


def test_the_others_learn_of_a_run_that_goes_on_and_of_no_older_one() -> None:
    first, second = Meeting(2, 0, "node1:7000"), Meeting(2, 1, "node1:7000")
    assert first.is_first and not second.is_first and second.announced() is None
    run = RunDir.create(runs_folder() / "together")
    first.announce(run)
    run.write_identity(EngineIdentity.of_process(os.getpid(), "transformers"))
    log = EventWriter(run.events)
    log.append(RunStarted(run_id=run.id, recipe_name="r", command=[], versions={}, gpus=[], driver="", data_sha256={}))
    found = second.wait(0.0)
    assert found is not None and found.path == run.path
    assert Meeting(2, 1, "node1:7001").announced() is None
    log.append(RunEnded(outcome="completed", step=1, reason=""))
    log.close()
    assert second.announced() is None, "it only chats now"
    first.announce(run, attempt=2)
    assert second.announced() is not None, "it is about to go on, and says so once all machines have met"


def test_an_engine_is_not_started_for_another_number_of_machines_than_meet() -> None:
    several, one = (
        RecipeDocument.parse(RECIPE + f"hardware:\n  gpu: none\n  nodes: {nodes}\n", "recipe.yaml").recipe()
        for nodes in (2, 1)
    )
    meeting = Meeting(2, 0, "node1:7000")
    assert EngineKey.of(several, GpuReport(), meeting) == EngineKey("unsloth", "none", meeting=meeting)
    with pytest.raises(ValueError, match=r"hardware\.nodes is 2, and 1 would train it; start it on each\."):
        EngineKey.of(several, GpuReport())
    with pytest.raises(ValueError, match=r"hardware\.nodes is 1, and 2 would train it; start it on each\."):
        EngineKey.of(one, GpuReport(), meeting)
