"""The GPUs of other machines are read by their own ranks, and told by rank 0 beside its own."""

from __future__ import annotations

import os

import pytest

from cockpit.engine.other_rank import OtherWorker
from cockpit.engine.rank import Rank, Ranks
from cockpit.paths import runs_folder
from cockpit.protocol.events import GpuReading
from cockpit.runs.folder import RunDir


@pytest.mark.parametrize(("local", "told"), [(0, [4, 5]), (1, [])])
def test_the_first_rank_of_another_machine_tells_of_its_gpus_with_their_own_numbers(
    local: int, told: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    ranks = Ranks(Rank(4 + local, 8, local, node=1))
    monkeypatch.setattr(ranks, "gather", lambda value: [[], value])
    worker = OtherWorker(RunDir.create(runs_folder() / "far"), "transformers", ranks)
    gpus = [GpuReading(index=at, uuid=f"GPU-{at}", name="NVIDIA H100") for at in (0, 1)]
    monkeypatch.setattr("cockpit.engine.machine.Machine.gpus", lambda machine: gpus)
    found = worker.readings_of_all()
    assert [gpu.index for gpu in found] == told
    assert {gpu.name for gpu in found} <= {f"NVIDIA H100 on {os.uname().nodename}"}


def test_of_one_machine_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    worker = OtherWorker(RunDir.create(runs_folder() / "near"), "transformers", Ranks(Rank(1, 2, 1)))
    assert worker.readings_of_all() == []
