"""What a run has saved is checked before it is exported or chatted with."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.engine.errors import RunFailure
from cockpit.engine.export.__main__ import Exporter
from cockpit.engine.model.loading import refuse_damage
from cockpit.launch.export_form import ExportForm
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import ExportEnded
from cockpit.runs.checksums import CHECKSUMS, damage, write_checksums
from cockpit.runs.folder import RunDir
from tests.engine import tiny
from tests.runs.complete_checkpoint import write_safetensors

WRONG = (
    "The adapter cannot be trusted: adapter_model.safetensors is damaged: its SHA-256 is not the one it was saved with."
)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir.create(tmp_path / "run")
    run.recipe.write_text(tiny.recipe_text(tmp_path, tmp_path / "rows.jsonl"))
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base"}')
    write_safetensors(run.adapter / "adapter_model.safetensors")
    write_checksums(run.adapter)
    return run


def exported(run: RunDir, out: Path) -> ExportEnded:
    Exporter(run, ExportForm.parse("adapter"), out, "x").export(None, False)
    (ended,) = (event for event in EventReader(run.export).poll() if isinstance(event, ExportEnded))
    return ended


def test_a_damaged_adapter_is_neither_exported_nor_loaded(run: RunDir, tmp_path: Path) -> None:
    weights = run.adapter / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    ended = exported(run, tmp_path / "out")
    assert (ended.reason, ended.advice) == (WRONG, "Resume the run to save it anew.")
    assert not (tmp_path / "out").exists()
    with pytest.raises(RunFailure) as refused:
        refuse_damage(run.adapter)
    assert str(refused.value) == WRONG


@pytest.mark.parametrize("link", ["adapter/notes.txt", "adapter", "checkpoints"])
def test_what_a_link_leads_to_is_not_exported(run: RunDir, tmp_path: Path, link: str) -> None:
    key = tmp_path / "elsewhere" / "id_ed25519"
    if link == "adapter":
        run.adapter.rename(key.parent)
    else:
        key.parent.mkdir()
    key.write_text("secret")
    (run.path / link).symlink_to(key if link.endswith("txt") else key.parent)
    ended = exported(run, tmp_path / "out")
    assert ended.reason.startswith(f"In the run run, {link} is a link to {tmp_path / 'elsewhere'}")
    assert not (tmp_path / "out").exists()
    assert key.read_text() == "secret"


def test_an_export_has_checksums_of_its_own(run: RunDir, tmp_path: Path) -> None:
    assert exported(run, tmp_path / "out").reason == ""
    assert (tmp_path / "out" / CHECKSUMS).is_file() and damage(tmp_path / "out") == ""
