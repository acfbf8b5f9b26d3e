"""Engines keep their bytecode where Python alone would not."""

import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.launch import bytecode
from cockpit.launch.bytecode import bytecode_environment
from cockpit.launch.engines import EngineKey, engine_environment
from cockpit.machine.compile_cache import compile_cache


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that keeps its bytecode beside the modules."""
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


def test_nothing_is_changed_where_it_is_kept_already(usual: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "_is_read_only", lambda package: False)
    assert bytecode_environment() == {}
    monkeypatch.setattr(sys, "pycache_prefix", "/of/the/user")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert bytecode_environment() == {}


def test_a_container_that_writes_none_keeps_it_in_the_cache(
    usual: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    (tmp_path / "seen.py").write_text("import sys")
    environment = engine_environment(EngineKey("transformers", "none"))
    kept = compile_cache() / "bytecode"
    assert environment["PYTHONPYCACHEPREFIX"] == str(kept)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import seen"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert [path.name.split(".")[0] for path in (kept / tmp_path.relative_to("/")).iterdir()] == ["seen"]


def test_read_only_packages_are_noticed(usual: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "unwritable", lambda folder: "it is read-only")
    monkeypatch.setattr(Path, "is_dir", lambda path: path.name != "__pycache__")
    assert bytecode_environment()["PYTHONPYCACHEPREFIX"] == str(compile_cache() / "bytecode")
