"""Where compiled code goes: a folder that can be written, and that nobody else writes into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cockpit.launch import compile_cache as module
from cockpit.launch.compile_cache import compile_cache, usual_place
from cockpit.launch.engines import EngineKey
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


def test_where_no_place_can_be_written_it_is_temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "file"))
    found = compile_cache()
    assert found.is_dir() and found.stat().st_mode & 0o777 == 0o700
    found.rmdir()
