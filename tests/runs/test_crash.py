"""What is told of a run that ended badly: the likely reason, what is left, and how its machine stood."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import MachineRead
from cockpit.runs.crash import Crash
from cockpit.runs.folder import RunDir
from cockpit.runs.state import RunState
from tests.recording import record
from tests.runs.complete_checkpoint import write_checkpoint
from tests.ui.stage import recorded


def lost(path: Path, log: str = "", **reading: float) -> RunDir:
    run = record(path, ending="lost", until=126, gpus=1)
    run.engine_log.write_text(log)
    if reading:
        writer = EventWriter(run.gpu)
        known = {"cpu_percent": 100.0, "rss_mib": 900.0, "ram_used_mib": 8000.0, "ram_total_mib": 16000.0} | reading
        writer.append(MachineRead(step=126, gpus=[], **known))  # type: ignore[arg-type]
        writer.close()
    return run


def crash(run: RunDir) -> Crash:
    state = RunState()
    state.take(recorded(run))
    return Crash.of(run, state)


@pytest.mark.parametrize(
    ("log", "reading", "why"),
    [
        ("x\nSegmentation fault (core dumped)\n", {}, "It crashed with a segmentation fault in one of its libraries."),
        ("NVRM: Xid 79, GPU has fallen off the bus\n", {}, "The GPU has failed beneath it, as its driver says."),
        ("Bus error\n", {}, "(/dev/shm) is full."),
        ("fine\n", {"ram_used_mib": 15_500.0}, "RAM was nearly full (15.1 of 15.6 GiB), so the system has probably"),
        ("fine\n", {"disk_free_mib": 3.0}, "the disk was full (3.0 MiB free)."),
        ("fine\n", {"disk_free_mib": 9000.0}, "without a word: it was killed, or the machine was."),
    ],
)
def test_the_likely_reason(tmp_path: Path, log: str, reading: dict[str, float], why: str) -> None:
    found = crash(lost(tmp_path, log, **reading))
    assert why in found.why
    assert found.step == 126


def test_a_rank_that_took_the_others_with_it_is_named_of_the_newest_attempt(tmp_path: Path) -> None:
    told = [
        f"Rank {rank} (process {pid}) was ended by SIGKILL, and the others with it." for rank, pid in ((1, 7), (0, 9))
    ]
    run = lost(tmp_path / "run", "\n".join([told[0], "step 3", told[1], ""]))
    identity = run.identity()
    assert identity is not None
    assert crash(run).why == "The engine's process is gone without a word: it was killed, or the machine was."
    run.write_identity(msgspec.structs.replace(identity, ranks=(9, 10)))
    assert crash(run).why == told[1]


def test_a_machine_that_was_started_anew(tmp_path: Path) -> None:
    run = lost(tmp_path, "Segmentation fault\n")
    identity = run.identity()
    assert identity is not None
    run.write_identity(msgspec.structs.replace(identity, boot_id="earlier", host=os.uname().nodename))
    assert crash(run).why == "The machine was started anew since, and took the run with it."


def test_what_is_left_is_what_loads(tmp_path: Path) -> None:
    run = lost(tmp_path)
    assert crash(run).checkpoint is None
    for step in (40, 80, 120):
        write_checkpoint(run.checkpoints, step)
    weights = run.checkpoints / "checkpoint-120" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    zipped = run.checkpoints / "checkpoint-80" / "optimizer.pt"
    content = bytearray(zipped.read_bytes())
    content[60] ^= 1
    zipped.write_bytes(content)
    found = crash(run)
    assert found.checkpoint == 40
    assert [sentence.partition(" cannot")[0] for sentence in found.passed] == ["checkpoint-120", "checkpoint-80"]
    assert ("left", "the checkpoint after step 40, whole") in list(found.lines())


def test_the_machine_and_the_last_lines(tmp_path: Path) -> None:
    run = lost(tmp_path, "one\ntwo\n\x1b[31mthree\x1b[0m\n 1 %\r 9 %\n", disk_free_mib=2048.0)
    found = crash(run)
    assert found.log == ("two", "three", "9 %")
    assert found.machine.startswith("RAM 7.8/15.6 GiB, disk 2.0 GiB free, at 20")
    assert [text for label, text in found.lines(1) if label == "log"] == ["9 %"]
    gpu = crash(record(tmp_path / "gpu", ending="failed", until=3, gpus=1, reason="No."))
    assert gpu.why == "" and gpu.machine.startswith("GPU 6.9/140.4 GiB 61 °C, RAM ")


def test_without_any_file_nothing_is_made_up(tmp_path: Path) -> None:
    found = Crash.of(RunDir.create(tmp_path / "run"), RunState())
    assert (found.log, found.machine, found.checkpoint) == ((), "", None)
