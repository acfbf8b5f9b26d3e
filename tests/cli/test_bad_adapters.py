"""What cannot be resumed, exported or chatted with: one clear message each, and nothing is left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import namedtuple
from importlib import import_module
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.launch.export_form import temporary_paths
from cockpit.paths import runs_folder
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from tests.recording import record
from tests.runs.complete_checkpoint import write_checkpoint, write_safetensors

Usage = namedtuple("Usage", "total used free")
RUN = "demo-1120-2349"
export = import_module("cockpit.cli.export")  # the package has a function of this name


@pytest.fixture(autouse=True)
def _no_llama_cpp_and_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name in ("LLAMA_CPP_PATH", "UNSLOTH_LLAMA_CPP_PATH", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def refused(*arguments: str) -> tuple[int, str]:
    """The exit status and what was said, which is one line."""
    result = CliRunner().invoke(cockpit, list(arguments))
    said = result.stderr.strip()
    assert "Traceback" not in said and result.stdout == ""
    assert len(said.splitlines()) == 1, said
    return result.exit_code, said


def model_folder(path: Path) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}))
    (path / "tokenizer.json").write_text("{}")
    write_safetensors(path / "model.safetensors")
    return path


def adapter_folder(path: Path, base: str) -> Path:
    path.mkdir()
    (path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base, "peft_type": "LORA"}))
    (path / "tokenizer.json").write_text("{}")
    write_safetensors(path / "adapter_model.safetensors")
    return path


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def run_with(*steps: int, ending: str = "stopped") -> RunDir:
    """A run whose engine has gone, with an adapter and checkpoints after these steps."""
    run = record(runs_folder(), run_id=RUN, ending=ending, until=300 if ending == "completed" else 120)  # type: ignore[arg-type]
    run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), pid=2**22 + 1))
    run.adapter.mkdir(exist_ok=True)
    (run.adapter / "adapter_config.json").write_text("{}")
    write_safetensors(run.adapter / "adapter_model.safetensors")
    for step in steps:
        write_checkpoint(run.checkpoints, step)
    return run


def test_a_recipe_that_cannot_be_read_is_status_2_everywhere() -> None:
    run = run_with(60)
    run.recipe.write_text("a: [\n")
    for arguments in (
        ["chat", "last", "-p", "hi"],
        ["smoke", "last"],
        ["resume", "last"],
        ["export", "last", "--as", "adapter"],
    ):
        status, said = refused(*arguments)
        assert status == 2, arguments
        assert said.endswith("recipe.yaml:2: a value is missing or has a stray bracket; write it as name: value")


# Folders to chat with


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert refused("chat", f"{tmp_path}/none", "-p", "hi") == (2, f"There is no folder {tmp_path}/none.")


def test_a_folder_that_holds_nothing_of_the_kind(tmp_path: Path) -> None:
    status, said = refused("chat", str(tmp_path), "-p", "hi")
    assert (status, "holds neither an adapter nor a model" in said) == (2, True)


def test_defects_of_an_adapter(tmp_path: Path) -> None:
    base = model_folder(tmp_path / "base")
    for name, spoil, says in (
        ("truncated", lambda at: halve(at / "adapter_model.safetensors"), "adapter_model.safetensors is truncated."),
        ("bare", lambda at: (at / "adapter_model.safetensors").unlink(), "adapter_model.safetensors is missing."),
        ("odd", lambda at: (at / "adapter_config.json").write_text("{"), "adapter_config.json cannot be read."),
        ("none", lambda at: (at / "adapter_config.json").write_text('{"r": 8}'), "names no base model."),
        (
            "mute",
            lambda at: [(place / "tokenizer.json").unlink() for place in (at, base)],
            "there is no tokenizer in it, nor in its base.",
        ),
    ):
        folder = adapter_folder(tmp_path / name, str(base))
        spoil(folder)
        status, said = refused("chat", str(folder), "-p", "hi")
        assert (status, said.startswith(f"{folder} cannot be loaded: "), said.endswith(says)) == (2, True, True), said


def test_an_adapter_whose_base_is_gone_or_not_whole(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "adapter", f"{tmp_path}/gone")
    named = f"its base model is not there: {tmp_path}/gone; name its new place with --model."
    assert refused("chat", str(folder), "-p", "hi")[1].endswith(named)
    base = model_folder(tmp_path / "gone")
    halve(base / "model.safetensors")
    assert refused("chat", str(folder), "-p", "hi")[1].endswith("its base's model.safetensors is truncated.")
    (base / "model.safetensors").unlink()
    assert refused("chat", str(folder), "-p", "hi")[1].endswith("its base's weights are missing.")


def test_a_merged_model_that_is_not_whole_and_one_that_has_no_base(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "merged")
    status, said = refused("chat", str(folder), "-p", "hi", "--base")
    assert (status, "there is no base to ask" in said) == (2, True)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"w": "model-2.safetensors"}}')
    assert refused("chat", str(folder), "-p", "hi")[1].endswith("model-2.safetensors is missing.")


# Exports


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["nobody", "--as", "adapter"], 2, "No run is called 'nobody'"),
        ([RUN, "--as", "onnx"], 2, "'onnx' is no form of export; give one of: adapter, merged-16bit"),
        ([RUN, "--as", "gguf:q9"], 2, "'gguf:q9' is no form of export"),
        ([RUN, "--as", "merged-4bit"], 1, "merged-4bit is Unsloth's own and needs an NVIDIA GPU"),
        ([RUN, "--as", "gguf:q8_0"], 1, "llama.cpp is not here, which makes GGUF files. Get it with: git clone"),
        ([RUN, "--as", "adapter", "--out", "there"], 1, "there is there already and not empty"),
        ([RUN, "--as", "adapter", "--out", "file"], 1, "is a file; name a folder."),
        ([RUN, "--as", "adapter", "--out", "file/in/it"], 1, "file is a file; name a folder."),
        ([RUN, "--as", "adapter", "--out", "~nobody-here/there"], 1, "there is there already and not empty"),
        ([RUN, "--as", "adapter", "--push", "mine"], 2, "'mine' names no repository of the Hub"),
        ([RUN, "--as", "adapter", "--private"], 2, "--private is for a repository of the Hub"),
    ],
)
def test_exports_that_cannot_be(tmp_path: Path, arguments: list[str], status: int, says: str) -> None:
    run_with()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "something").touch()
    (tmp_path / "file").touch()
    (tmp_path / "~nobody-here" / "there" / "something").mkdir(parents=True)
    got, said = refused("export", *arguments)
    assert (got, says in said) == (status, True), said
    assert not (runs_folder() / RUN / "exports").exists()


def test_a_truncated_adapter_and_none_at_all_are_not_exported() -> None:
    run = run_with()
    halve(run.adapter / "adapter_model.safetensors")
    status, said = refused("export", RUN, "--as", "merged-16bit")
    assert (status, "adapter_model.safetensors is truncated" in said) == (1, True)
    shutil.rmtree(run.adapter)
    status, said = refused("export", RUN, "--as", "adapter")
    assert (status, said) == (1, f"The run {RUN} has saved nothing yet, so there is nothing to export.")


@pytest.mark.parametrize("place", ["nowhere", "~nobody-here/llama.cpp"])
def test_a_folder_that_is_not_llama_cpps_is_named(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    run_with()
    monkeypatch.setenv("LLAMA_CPP_PATH", place)
    status, said = refused("export", RUN, "--as", "gguf:q8_0")
    right = "name the folder of llama.cpp's sources."
    assert (status, said) == (1, f"LLAMA_CPP_PATH names {place}, which holds no convert_hf_to_gguf.py; {right}")


def test_an_export_that_does_not_end_when_told_is_killed_and_swept_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deaf = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); sys.stdin.read()"
    monkeypatch.setattr(export, "ENDS_WITHIN_S", 0.05)
    for left in temporary_paths(tmp_path / "out"):
        left.mkdir()
    with subprocess.Popen([sys.executable, "-c", deaf], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        assert export.end_export(process, tmp_path / "out") == "Ended: nothing was left behind."
        assert process.poll() is not None
    assert not list(tmp_path.glob(".out*"))


def test_an_export_that_was_killed_is_told_and_swept_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_with()
    for left in temporary_paths(tmp_path / "out"):
        left.mkdir()
    killed = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    with subprocess.Popen(killed) as process, pytest.raises(typer.Exit):
        export.follow_export(run, "x", process, tmp_path / "out", as_json=False)
    assert "It was killed, as the system does where memory runs out." in capsys.readouterr().err
    assert not list(tmp_path.glob(".out*"))


def test_an_export_that_is_ended_while_it_is_pushed_stands(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert export.end_export(process, tmp_path).startswith(f"Ended: it was whole already and stands in {tmp_path}")


def test_a_disk_without_room_is_told_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    run_with()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1000, 1000, 5))
    status, said = refused("export", RUN, "--as", "adapter")
    assert status == 1
    assert said.startswith("adapter needs ") and "5 B are free" in said.replace(" B", " B")


# Resuming


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["nobody"], 2, "No run is called 'nobody'"),
        ([RUN, "--from", "7"], 1, "has no checkpoint after step 7 that loads; there are: 50, 100."),
        ([RUN, "--set", "lora.r=4"], 2, "--set: lora.r: it cannot be changed when a run goes on"),
        ([RUN, "--set", "data.seed=4"], 2, "--set: data.seed: it cannot be changed"),
        ([RUN, "--set", "training.max_steps=100"], 1, "100 steps are done; give more with --set training.max_steps=N"),
        ([RUN, "--set", "training.max_stops=9"], 2, "training.max_stops"),
    ],
)
def test_resumes_that_cannot_be(arguments: list[str], status: int, says: str) -> None:
    run = run_with(50, 100)
    before = run.recipe.read_bytes()
    got, said = refused("resume", *arguments)
    assert (got, says in said) == (status, True), said
    assert run.recipe.read_bytes() == before


def test_a_run_with_truncated_checkpoints_only() -> None:
    run = run_with(50, 100)
    halve(run.checkpoints / "checkpoint-100" / "optimizer.pt")
    halve(run.checkpoints / "checkpoint-50" / "adapter_model.safetensors")
    status, said = refused("resume", RUN)
    assert status == 1
    assert said == (
        f"The run {RUN} has no checkpoint to resume from (checkpoint-100 cannot be resumed from: optimizer.pt is "
        "truncated); start it anew."
    )


def test_a_run_that_left_none_and_one_that_is_complete() -> None:
    run = run_with()
    assert refused("resume", RUN) == (1, f"The run {RUN} has no checkpoint to resume from; start it anew.")
    shutil.rmtree(run.path)
    run_with(300, ending="completed")
    assert "300 steps are done; give more" in refused("resume", RUN)[1]


def test_a_run_that_is_still_going() -> None:
    record(runs_folder(), run_id=RUN, ending="going", until=100)
    status, said = refused("resume", RUN)
    assert (status, said) == (1, f"The run {RUN} is still going; there is nothing to resume.")
