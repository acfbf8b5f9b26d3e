"""Where compiled code goes: a folder that can be written, and that nobody else writes into."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from cockpit.launch.engines import EngineKey
from cockpit.machine import compile_cache as module
from cockpit.machine.compile_cache import compile_cache, usual_place
from cockpit.machine.gpu import NONE
from cockpit.paths import home


@pytest.mark.parametrize("is_there", [False, True])
def test_a_loose_umask_leaves_it_its_owners_alone(is_there: bool) -> None:
    before = os.umask(0)
    try:
        if is_there:
            usual_place().mkdir(parents=True)
        assert compile_cache() == usual_place()
    finally:
        os.umask(before)
    assert usual_place().stat().st_mode & 0o777 == 0o700


def test_where_the_usual_place_cannot_be_written_it_is_in_cockpits_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "unwritable", lambda path: "is read-only" if path == usual_place() else "")
    environment = EngineKey("unsloth", NONE).environment()
    assert {Path(environment[name]).parent for name in ("UNSLOTH_COMPILE_LOCATION", "TRITON_CACHE_DIR")} == {
        home() / "cache"
    }


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where temporary files are; neither of the lasting places can be written."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "file"))
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    module.temporary_folder.cache_clear()
    return folder


def test_where_no_place_can_be_written_it_is_one_temporary_folder(temporary: Path) -> None:
    found = [compile_cache() for _ in range(3)]
    assert found == [temporary / f"cockpit-{os.geteuid()}"] * 3
    assert found[0].stat().st_mode & 0o777 == 0o700


def test_a_temporary_folder_that_may_be_somebody_elses_is_not_used(temporary: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (temporary / f"cockpit-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    found = [compile_cache() for _ in range(3)]
    assert len(set(found)) == 1
    assert found[0].parent == temporary and not found[0].is_symlink()
    assert found[0].stat().st_mode & 0o777 == 0o700
