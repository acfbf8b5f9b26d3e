"""chat, export and resume with --model: the base must be the one that was trained on; one message where it is not."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.models.fingerprint import fingerprint
from cockpit.paths import runs_folder
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import RunStarted
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.moved_base import moved_base, recorded_base
from tests.recording import record
from tests.runs.complete_checkpoint import write_checkpoint, write_safetensors

COMMANDS = (["chat", "last", "-p", "hi"], ["export", "last", "--as", "merged-16bit"], ["resume", "last"])


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def base_folder(path: Path, *, numbers: int = 4, hidden_size: int = 64) -> Path:
    path.mkdir()
    config = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": hidden_size}
    (path / "config.json").write_text(json.dumps(config))
    (path / "tokenizer.json").write_text("{}")
    write_safetensors(path / "model.safetensors", numbers)
    return path


def write_adapter(folder: Path, base: str, hidden_size: int = 64) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    (folder / "tokenizer.json").write_text("{}")
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    tensor = {"dtype": "F32", "shape": [1, hidden_size], "data_offsets": [0, 4 * hidden_size]}
    header = json.dumps({name: tensor}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(4 * hidden_size)
    (folder / "adapter_model.safetensors").write_bytes(content)


def stopped_run(base: Path, *, is_recorded: bool) -> RunDir:
    """A run that was trained on `base`, with the record of its hashes or without."""
    run = record(runs_folder(), ending="stopped", until=120)
    run.recipe.write_text(run.recipe.read_text().replace("embedded:demo", str(base)))
    run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), pid=2**22 + 1))
    write_adapter(run.adapter, str(base))
    write_checkpoint(run.checkpoints, 100)
    if is_recorded:
        about = {"recipe_name": "demo", "command": [], "versions": {}, "gpus": [], "driver": "", "data_sha256": {}}
        log = EventWriter(run.events, attempt=1)
        log.append(RunStarted(run_id=run.id, base_sha256=fingerprint(base), **about))  # type: ignore[arg-type]
        log.close()
    return run


def refused(*arguments: str) -> str:
    """What was said, which is one line."""
    result = CliRunner().invoke(cockpit, list(arguments))
    said = result.stderr.strip()
    assert result.exit_code in (1, 2) and result.stdout == ""
    assert "Traceback" not in said and len(said.splitlines()) == 1, said
    return said


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_another_model_is_refused_and_a_missing_base_names_the_option(tmp_path: Path, command: list[str]) -> None:
    base = base_folder(tmp_path / "base")
    run = stopped_run(base, is_recorded=True)
    before = run.recipe.read_bytes()
    base.rename(tmp_path / "moved")
    gone = f"The base model is not there: {base}; name its new place with --model."
    assert refused(*command) == gone
    other = base_folder(tmp_path / "other", numbers=8)
    differs = f"--model: {other} is not the base that was trained on: model.safetensors holds other weights."
    assert refused(*command, "--model", str(other)) == differs
    nothing = f"--model: there is no model in {tmp_path}/none; give the folder that the base is in."
    assert refused(*command, "--model", f"{tmp_path}/none") == nothing
    assert "there is no model in owner/name" in refused(*command, "--model", "owner/name")
    assert run.recipe.read_bytes() == before


def test_the_same_model_in_another_place_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = base_folder(tmp_path / "base")
    run = stopped_run(base, is_recorded=True)
    moved = base.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    assert recorded_base(run) == fingerprint(moved)
    assert moved_base("moved", run, run.adapter) == (str(moved), "")


def test_a_run_without_the_record_says_so_and_compares_what_it_can(tmp_path: Path) -> None:
    base = base_folder(tmp_path / "base")
    run = stopped_run(base, is_recorded=False)
    place, warning = moved_base(str(base), run, run.adapter)
    unchecked = f"That {base} is the base that was trained on cannot be checked: its hashes were not recorded."
    assert (place, warning) == (str(base), unchecked)
    other = base_folder(tmp_path / "other", hidden_size=128)
    said = refused("chat", "last", "-p", "hi", "--model", str(other))
    assert said.endswith("the adapter was made for a hidden_size of 64, and it has 128.")


def test_a_whole_model_is_compared_by_its_config_and_needs_no_base_to_chat(tmp_path: Path) -> None:
    base = base_folder(tmp_path / "base")
    run = stopped_run(base, is_recorded=False)
    trained = base_folder(tmp_path / "trained", hidden_size=32)
    with pytest.raises(ValueError, match="its hidden_size is another"):
        moved_base(str(base), run, trained)
    assert refused("chat", str(trained), "-p", "hi", "--model", str(base)).startswith("This is a whole model")


def test_a_saved_adapter_is_checked_by_the_record_of_its_run(tmp_path: Path) -> None:
    base = base_folder(tmp_path / "base")
    run = stopped_run(base, is_recorded=True)
    other = base_folder(tmp_path / "other", numbers=8)
    said = refused("chat", str(run.adapter), "-p", "hi", "--model", str(other))
    assert said.endswith("model.safetensors holds other weights.")
