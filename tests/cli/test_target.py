"""What a target's name may be, and what is said of one that is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.cli.target import Target, find_target
from cockpit.models import hub_cache
from cockpit.paths import runs_folder
from tests.recording import record
from tests.runs.complete_checkpoint import write_checkpoint


def refused(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cockpit, list(arguments))
    assert result.stdout == ""
    return result.exit_code, result.stderr.strip()


def test_each_kind_of_target_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = record(runs_folder(), ending="completed")
    step = write_checkpoint(run.checkpoints, 20)
    folder = tmp_path / "merged"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    exported = tmp_path / "gguf"
    exported.mkdir()
    for name in ("a.gguf", "mmproj-a-f16.gguf"):
        (exported / name).write_bytes(b"GGUF")
    snapshot = tmp_path / "snapshot"
    monkeypatch.setattr(hub_cache, "cached_snapshot", lambda name: snapshot if name == "owner/model" else None)
    found = {
        "last": Target("last", run),
        "demo@20": Target("demo@20", run, step),
        f"{run.path}@20": Target(f"{run.path}@20", run, step),
        str(run.path): Target(str(run.path), run),
        "./merged": Target("./merged", None, folder),
        "gguf/a.gguf": Target("gguf/a.gguf", None, exported / "a.gguf"),
        "./gguf": Target("./gguf", None, exported / "a.gguf"),
        "owner/model": Target("owner/model", None, snapshot),
    }
    for name, target in found.items():
        assert find_target(name) == target
    assert [name for name, target in found.items() if target.is_gguf] == ["gguf/a.gguf", "./gguf"]
    assert find_target("embedded:demo").saved is not None


def test_checkpoints_that_cannot_be_asked() -> None:
    run = record(runs_folder(), ending="completed")
    assert refused("chat", "demo@20", "-p", "Hi") == (2, f"The run {run.id} has no checkpoint of step 20; it has none.")
    path = write_checkpoint(run.checkpoints, 20)
    assert refused("chat", "demo@7", "-p", "Hi") == (
        2,
        f"The run {run.id} has no checkpoint of step 7; it has those of steps 20.",
    )
    (path / "trainer_state.json").write_text(json.dumps({"global_step": 3}))
    assert refused("smoke", "demo@20") == (
        1,
        "The checkpoint of step 20 cannot be used: trainer_state.json is not that of step 20.",
    )


def test_a_gguf_file_needs_llama_cpp_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    why = "A GGUF file is asked through llama-cpp-python, which is not installed: pip install llama-cpp-python"
    assert refused("chat", str(file), "-p", "Hi") == (1, why)
    assert refused("chat", str(file), "-p", "Hi", "--base")[1].startswith("This is a whole model")
    assert refused("smoke", str(file)) == (
        2,
        "A GGUF file has no suite of its own: name one, such as cockpit smoke FILE suite.yaml.",
    )
