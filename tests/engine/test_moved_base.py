"""A run whose base was moved, for real: cockpit export takes its new place with --model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.models.fingerprint import fingerprint
from cockpit.models.folder import read_json
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.moved_base import recorded_base
from tests.engine import tiny
from tests.engine.conftest import HostedRun, cockpit_home
from tests.engine.export.test_export import export


class Moved(SimpleNamespace):
    run: RunDir
    was: Path
    base: Path


@pytest.fixture(scope="module")
def moved(folder: Path, model: Path, rows: Path) -> Iterator[Moved]:
    """A completed run, whose base is in another folder since."""
    with cockpit_home(folder / "moved-home"):
        was = Path(shutil.copytree(model, folder / "base"))
        changes = {"training__max_steps": 2, "output__save_steps": 2}
        text = tiny.recipe_text(was, rows, backend="transformers", **changes)
        run = HostedRun(RunDir.create(folder / "moved-home" / "runs" / "moved"), text)
        run.until_ended()
        run.close()
        # It was a thread of this process, which lives on.
        gone = EngineIdentity.of_this_process("transformers")
        run.run.write_identity(msgspec.structs.replace(gone, pid=2**22 + 1))
        yield Moved(run=run.run, was=was, base=was.rename(folder / "moved-base"))


@pytest.fixture(autouse=True)
def _its_home(moved: Moved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(moved.run.path.parent.parent))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def test_the_run_has_recorded_its_base(moved: Moved) -> None:
    assert recorded_base(moved.run) == fingerprint(moved.base)


def test_export_merges_and_an_adapter_names_the_new_place(moved: Moved, tmp_path: Path) -> None:
    before = moved.run.recipe.read_bytes()
    merged, adapter = tmp_path / "merged", tmp_path / "adapter"
    assert "there is no such folder" in export(moved.run, "merged-16bit", merged).reason
    assert export(moved.run, "merged-16bit", merged, base=str(moved.base)).reason == ""
    assert (merged / "config.json").is_file()
    assert export(moved.run, "adapter", adapter, base=str(moved.base)).reason == ""
    assert read_json(adapter / "adapter_config.json")["base_model_name_or_path"] == str(moved.base)
    assert moved.run.recipe.read_bytes() == before


def test_the_export_command_gives_its_process_the_new_place(moved: Moved, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(
        cockpit, ["export", "moved", "--as", "adapter", "--out", str(out), "--model", str(moved.base)]
    )
    assert done.exit_code == 0, done.stderr
    assert read_json(out / "adapter_config.json")["base_model_name_or_path"] == str(moved.base)
