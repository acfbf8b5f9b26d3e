"""What is looked at of a checkpoint before it is offered, and what only before it is used"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from cockpit.runs.checkpoint import PARSED_STATE, STATE, Checkpoint
from tests.runs.complete_checkpoint import write_checkpoint


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoint:
    return Checkpoint(write_checkpoint(tmp_path, 10), 10)


def test_the_bytes_of_a_zip_file_are_read_for_damage_alone(saved: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer = saved.path / "optimizer.pt"
    content = optimizer.read_bytes()
    optimizer.write_bytes(content.replace(b"xx", b"xy", 1))
    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "testzip", lambda self: pytest.fail("reads every byte"))
        assert saved.defect() == ""
    assert saved.damage() == "optimizer.pt is damaged"
    optimizer.write_bytes(content[:-30])
    assert saved.defect() == "optimizer.pt is truncated"
    optimizer.unlink()
    os.mkfifo(optimizer)
    assert saved.defect() == "optimizer.pt is truncated"


def test_a_long_state_is_not_parsed(saved: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    history = [{"step": step, "loss": 1.5} for step in range(PARSED_STATE // 20)]
    state = {"global_step": 10, "log_history": history}
    written = json.dumps(state, indent=2, sort_keys=True) + "\n"
    assert len(written) > PARSED_STATE
    (saved.path / STATE).write_text(written)
    with monkeypatch.context() as patch:
        patch.setattr("cockpit.runs.checkpoint.json.loads", lambda text: pytest.fail("parses all of it"))
        patch.setattr("cockpit.runs.checkpoint.defect_of_safetensors", lambda path: "")
        assert saved.defect() == ""
        assert Checkpoint(saved.path, 1).defect() == f"{STATE} is not that of step 1"
        (saved.path / STATE).write_text(written[:-100])
        assert saved.defect() == f"{STATE} cannot be read"
