"""What a run has saved, given away: the same logits through other programs, whole or not there at all."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.engine.export import __main__ as export_module
from cockpit.engine.export.__main__ import Exporter
from cockpit.engine.export.gguf import convert
from cockpit.engine.model.loading import load_for_chat
from cockpit.launch.export_form import ExportForm, LlamaCpp
from cockpit.launch.saved_recipe import recipe_of
from cockpit.models.saved_folder import SavedFolder
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import ExportEnded, ExportProgressed, ExportStarted, LogWritten
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.checksums import CHECKSUMS, write_checksums
from cockpit.runs.folder import RunDir
from tests.engine import tiny
from tests.engine.conftest import HostedRun
from tests.engine.export.exporting import export
from tests.engine.export.push_server import PushServer
from tests.engine.families import make_family
from tests.engine.warm_stack import WarmStack

Hosted = Callable[..., HostedRun]


@pytest.fixture(scope="module")
def trained(folder: Path, model: Path, rows: Path) -> Iterator[RunDir]:
    """A run of a few steps with a high learning rate, so that base and tuned differ; its engine has gone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCKPIT_HOME", str(folder / "export"))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        text = tiny.recipe_text(model, rows, backend="transformers", training__max_steps=4, training__learning_rate=0.1)
        run = HostedRun(RunDir.create(folder / "export" / "runs" / "exported"), text)
        run.until_ended()
        run.close()
        yield run.run


def test_the_adapter_gives_the_engines_logits_through_plain_peft(trained: RunDir, model: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ended = export(trained, "adapter")
    out = Path(ended.path)
    assert out == trained.path / "exports" / "adapter"
    recipe = RecipeDocument.load(trained.recipe).recipe()
    loaded = load_for_chat(recipe, trained.adapter, lambda text: None)
    in_engine = tiny.logits(loaded.model, loaded.tokenizer)
    plain = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(out)
    base = tiny.logits(plain, tokenizer)
    tuned = tiny.logits(PeftModel.from_pretrained(plain, str(out)), tokenizer)
    assert torch.equal(tuned, in_engine)
    assert (tuned - base).abs().max() > 0.5


def test_a_base_that_could_not_be_saved_is_mended_in_the_merged_model(
    trained: RunDir, model: Path, tmp_path: Path
) -> None:
    """The base of the run in another place, with settings of generation that transformers loads and refuses to save."""
    from transformers import AutoModelForCausalLM, GenerationConfig

    old, out = tmp_path / "old", tmp_path / "merged"
    shutil.copytree(model, old)
    (old / "generation_config.json").write_text('{"temperature": 0.6, "top_p": 0.9, "output_scores": true}')
    assert export(trained, "merged-16bit", out, base=str(old)).reason == ""
    told = [event.text for event in EventReader(trained.export).poll() if isinstance(event, LogWritten)]
    assert any("could not be saved so" in text for text in told)
    settings = GenerationConfig.from_pretrained(out)
    settings.validate(strict=True)
    assert (settings.temperature, settings.top_p, settings.do_sample) == (0.6, 0.9, True)
    merged = AutoModelForCausalLM.from_pretrained(out)
    merged.save_pretrained(tmp_path / "again")


def test_the_merged_model_agrees_within_16_bit_rounding(trained: RunDir, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ended = export(trained, "merged-16bit", tmp_path / "merged")
    assert ended.size_bytes == sum(path.stat().st_size for path in (tmp_path / "merged").rglob("*"))
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype="auto")
    assert merged.dtype == torch.bfloat16
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    assert tokenizer.chat_template == tiny.CHATML
    recipe = RecipeDocument.load(trained.recipe).recipe()
    loaded = load_for_chat(recipe, trained.adapter, lambda text: None)
    expected, found = tiny.logits(loaded.model, loaded.tokenizer), tiny.logits(merged.float(), tokenizer)
    cosine = torch.nn.functional.cosine_similarity(expected.flatten(), found.flatten(), dim=0)
    assert cosine > 0.999
    assert (expected - found).abs().max() < 0.03 * expected.abs().max()
    assert not (tmp_path / "merged" / "adapter_config.json").exists()
    told = [
        event for event in EventReader(trained.export).poll() if isinstance(event, ExportStarted | ExportProgressed)
    ]
    assert [event.task for event in told if isinstance(event, ExportProgressed)][-3:] == [
        "merging",
        "saving the merged model",
        "writing it to the disk",
    ]


@pytest.fixture
def llama_cpp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """llama.cpp's gguf package, and a converter that takes a made-up tokenizer for a known one."""
    tools = LlamaCpp.find()
    if tools is None:
        pytest.skip("no llama.cpp folder here (LLAMA_CPP_PATH)")
    monkeypatch.syspath_prepend(str(tools.folder / "gguf-py"))
    gguf = pytest.importorskip("gguf")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "convert_hf_to_gguf.py").write_text(
        f"import runpy, sys\nsys.path.insert(0, {str(tools.folder)!r})\nfrom conversion.base import TextModel\n"
        "TextModel.get_vocab_base_pre = lambda self, tokenizer: 'qwen2'\n"
        f"runpy.run_path({str(tools.converter)!r}, run_name='__main__')\n"
    )
    return gguf


def weights_of(gguf: Any, file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the file says of itself by name, and its weights as float32 by llama.cpp's names."""
    reader = gguf.GGUFReader(file)
    told = {name: field.contents() for name, field in reader.fields.items()}
    return told, {one.name: gguf.quants.dequantize(one.data, one.tensor_type) for one in reader.tensors}


def test_a_gguf_file_is_read_back(
    trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, llama_cpp: Any
) -> None:
    import numpy as np
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    made_up = export(trained, "gguf:q8_0", tmp_path / "gguf")
    assert made_up.reason == "llama.cpp's converter does not know this model's tokenizer."
    with closing(EventReader(trained.export)) as reader:
        done = [event.task for event in reader.poll() if isinstance(event, ExportProgressed)]
    assert done[-1] == "asking llama.cpp about the tokenizer", "nothing was merged for it"
    monkeypatch.setenv("LLAMA_CPP_PATH", str(tmp_path / "tools"))
    ended = export(trained, "gguf:q8_0", tmp_path / "gguf")
    assert ended.reason == ""
    assert sorted(path.name for path in (tmp_path / "gguf").iterdir()) == ["Modelfile", CHECKSUMS, "exported-q8_0.gguf"]
    told, weights = weights_of(llama_cpp, tmp_path / "gguf" / "exported-q8_0.gguf")
    tokenizer = AutoTokenizer.from_pretrained(trained.adapter)
    assert told["general.architecture"] == "qwen3"
    assert told["tokenizer.chat_template"] == tiny.CHATML
    assert told["tokenizer.ggml.eos_token_id"] == tokenizer.eos_token_id
    assert told["tokenizer.ggml.padding_token_id"] == tokenizer.pad_token_id
    assert told["tokenizer.ggml.tokens"] == tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert "output.weight" not in weights, "head and embeddings are one matrix"
    assert export(trained, "merged-16bit", tmp_path / "merged").reason == ""
    merged = load_file(tmp_path / "merged" / "model.safetensors")
    for ours, theirs in (("token_embd", "embed_tokens"), ("blk.1.ffn_down", "layers.1.mlp.down_proj")):
        expected = merged[f"model.{theirs}.weight"].float().numpy()
        assert np.abs(weights[f"{ours}.weight"] - expected).max() < 0.01 * np.abs(expected).max()


def test_gemmas_norms_and_marks_stand_in_its_gguf(
    trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, llama_cpp: Any
) -> None:
    """Gemma's norms multiply by one more than their weights, which llama.cpp does not do: the file has the sum."""
    import numpy as np
    from safetensors.torch import load_file, save_file

    from cockpit.engine.compat.unsloth_templates import named_templates

    folder = make_family("gemma3-text", tmp_path / "gemma")
    template = named_templates()["gemma-3"].text
    tokenizer = tiny.make_tokenizer(template, bos="<bos>")
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    changes = {"vocab_size": len(tokenizer), "bos_token_id": tokenizer.bos_token_id}
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    model = load_file(folder / "model.safetensors")
    embeddings = model["model.embed_tokens.weight"]
    model["model.embed_tokens.weight"] = embeddings.new_ones(len(tokenizer), embeddings.shape[1])
    norm = model["model.layers.1.input_layernorm.weight"]
    norm.copy_(norm.new_tensor(range(len(norm))) / 7)
    save_file(model, folder / "model.safetensors", {"format": "pt"})
    monkeypatch.setenv("LLAMA_CPP_PATH", str(tmp_path / "tools"))
    recipe = RecipeDocument.load(trained.recipe).recipe()
    (tmp_path / "out").mkdir()
    file = convert(folder, tmp_path / "out", "gemma", "f32", recipe, lambda task: None)
    told, weights = weights_of(llama_cpp, file)
    assert told["general.architecture"] == "gemma3"
    assert told["tokenizer.chat_template"] == template
    assert told["tokenizer.ggml.bos_token_id"] == tokenizer.bos_token_id
    assert told["tokenizer.ggml.eos_token_id"] == tokenizer.eos_token_id
    assert np.allclose(weights["blk.1.attn_norm.weight"], norm.numpy() + 1)
    assert "output.weight" not in weights
    assert "<start_of_turn>model" in (tmp_path / "out" / "Modelfile").read_text()


def test_a_full_disk_leaves_nothing_behind(trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        (tmp_path / ".out.partial" / "half").write_bytes(b"x" * 1000)
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "half"))

    monkeypatch.setattr(shutil, "copytree", full)
    ended = export(trained, "adapter", tmp_path / "out")
    assert ended.reason == f"The disk is full ({tmp_path / 'half'})."
    assert ended.advice == "Make room, or name a folder on another disk."
    assert list(tmp_path.iterdir()) == []


def test_a_base_that_memory_has_no_room_for_is_told_before_it_is_loaded(
    trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1000))
    monkeypatch.setattr("psutil.swap_memory", lambda: SimpleNamespace(free=24))
    ended = export(trained, "merged-16bit", tmp_path / "out")
    assert ended.reason.startswith("Merging needs ")
    assert ended.reason.endswith(" of memory for the base in 16 bits, and 1.0 KiB are free.")
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_for_another_base_is_told(trained: RunDir, tmp_path: Path) -> None:
    other = RunDir(shutil.copytree(trained.path, tmp_path / "other"))
    config = json.loads((other.adapter / "adapter_config.json").read_text())
    (other.adapter / "adapter_config.json").write_text(json.dumps({**config, "r": 4}))
    write_checksums(other.adapter)
    ended = export(other, "merged-16bit", tmp_path / "merged")
    assert ended.reason.startswith("The adapter does not fit its base")
    assert not (tmp_path / "merged").exists()


def test_a_push_without_a_token_is_told_before_anything_is_written(
    trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    ended = export(trained, "adapter", tmp_path / "out", push="me/mine")
    assert (ended.reason, ended.advice) == (
        "There is no token for the Hub.",
        "Log in with 'hf auth login', or set HF_TOKEN.",
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("is_private", "reason"),
    [
        (False, "Nothing was pushed: me/mine is there already, and everybody can read it."),
        (True, "It could not be pushed to me/mine: ConnectError."),
    ],
)
def test_what_is_not_pushed_stands_all_the_same(
    trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_private: bool, reason: str
) -> None:
    import httpx

    class Api:
        def __init__(self, token: str) -> None: ...
        def create_repo(self, repository: str, **options: bool) -> None: ...
        def model_info(self, repository: str) -> Any:
            return SimpleNamespace(private=is_private)

        def upload_folder(self, **options: str) -> None:
            raise httpx.ConnectError("no route")

    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_x")
    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    exporter = Exporter(trained, ExportForm.parse("adapter"), tmp_path / "out", "x3")
    assert exporter.export("me/mine", private=True) is False
    ended = [event for event in EventReader(trained.export).poll() if isinstance(event, ExportEnded)][-1]
    assert ended.reason == reason
    assert ended.advice.startswith(f"It stands in {tmp_path / 'out'}.")
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()


def test_a_push_brings_the_whole_folder_and_tells_its_token_nobody_else(
    trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command. The base is a folder of this disk, which names no model on the Hub."""
    token, hub, out = "hf_pushpushpushpushpushpushpush", PushServer(), tmp_path / "out"
    places = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": token}
    for name, value in (places | {"COCKPIT_HOME": str(trained.path.parent.parent)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    command = [sys.executable, "-m", "cockpit", "export", "exported", "--as", "adapter", "--out", str(out)]
    try:
        done = subprocess.run(
            [*command, "--push", "tiny/mine", "--private", "--no-receipt"], capture_output=True, text=True, check=False
        )
    finally:
        hub.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert "tiny/mine" in done.stdout
    assert hub.created == {"tiny/mine": "private"}
    assert hub.pushed == {file.name: file.read_bytes() for file in out.iterdir()}
    assert b"library_name: peft" in hub.pushed["README.md"]
    assert b"base_model" not in hub.pushed["README.md"]
    assert hub.tokens == {f"Bearer {token}"}
    written = [file for folder in (trained.path, out) for file in folder.rglob("*") if file.is_file()]
    assert [file for file in written if token.encode() in file.read_bytes()] == []
    assert token not in done.stdout


def test_an_adapter_of_a_model_of_the_hub_names_it_and_can_be_pushed(
    trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its card was written when it named the folder in the Hub's cache."""
    run = RunDir(shutil.copytree(trained.path, tmp_path / "of-hub"))
    recipe = json.loads(run.recipe.read_text())
    recipe["model"]["name_or_path"] = "tiny/model"
    run.recipe.write_text(json.dumps(recipe))
    file, card = run.adapter / "adapter_config.json", run.adapter / "README.md"
    file.write_text(json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": "tiny/model"}))
    snapshot = "/home/me/.cache/huggingface/hub/models--tiny--model/snapshots/0123"
    card.write_text(
        f"---\nbase_model: {snapshot}\nlibrary_name: peft\ntags:\n- base_model:adapter:{snapshot}\n- lora\n---\nMine.\n"
    )
    write_checksums(run.adapter)
    hub, out = PushServer(), tmp_path / "out"
    try:
        for name, value in (("HF_ENDPOINT", hub.endpoint), ("HF_TOKEN", "hf_pushpush"), ("HF_HOME", str(tmp_path))):
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        command = [sys.executable, "-m", "cockpit.engine.export", str(run.path), "--as", "adapter", "--out", str(out)]
        done = subprocess.run(
            [*command, "--push", "me/mine", "--no-receipt"], capture_output=True, text=True, check=False
        )
    finally:
        hub.close()
    assert done.returncode == 0, done.stderr
    pushed = hub.pushed["README.md"].decode()
    assert "base_model: tiny/model\n" in pushed
    assert "- base_model:adapter:tiny/model\n- lora\n" in pushed
    assert "\n---\nMine.\n\n<!--" in pushed and "/home/me" not in pushed and str(tmp_path) not in pushed
    assert "snapshots" not in pushed


def test_two_exports_at_once_are_one_too_many(trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    with (trained.path / "export.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setattr(
            sys, "argv", ["export", str(trained.path), "--as", "adapter", "--out", str(tmp_path / "out"), "--id", "x2"]
        )
        monkeypatch.setattr(signal, "signal", lambda *args: None)
        monkeypatch.setattr(export_module, "hide_logins", lambda: None)  # it replaces this process's own streams
        assert export_module.main() == 1
    ended = [event for event in EventReader(trained.export).poll() if isinstance(event, ExportEnded)][-1]
    assert (ended.export_id, ended.reason) == ("x2", "Another export of this run is going on.")
    assert not (tmp_path / "out").exists()


def test_the_command_exports_in_a_process_of_its_own(
    trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(trained.path.parent.parent))
    command = [sys.executable, "-m", "cockpit", "export", "exported", "--as", "adapter", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Exported as adapter: {tmp_path / 'out'}" in done.stdout
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "is there already and not empty" in again.stderr


def test_folders_that_were_exported_answer(
    trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_stack: WarmStack
) -> None:
    """An adapter's folder, by cockpit chat, and a merged model's answer as the run does, and not as the base."""
    from transformers import AutoModelForCausalLM

    recipe = RecipeDocument.load(trained.recipe).recipe()
    loaded = load_for_chat(recipe, trained.adapter, lambda text: None)
    asked = "<|im_start|>user\nwhat is the name of red 3<|im_end|>\n<|im_start|>assistant\n"
    ids = loaded.tokenizer(asked, add_special_tokens=False, return_tensors="pt")
    adapter, merged = tmp_path / "adapter", tmp_path / "merged-16bit"
    assert [export(trained, place.name, place).reason for place in (adapter, merged)] == ["", ""]
    as_folder = recipe_of(SavedFolder(merged))
    expected, untrained, of_merged = (
        loaded.tokenizer.decode(one.generate(**ids, max_new_tokens=6, do_sample=False)[0, ids["input_ids"].shape[1] :])
        for one in (
            loaded.model.eval(),
            AutoModelForCausalLM.from_pretrained(recipe.model.name_or_path).eval(),
            load_for_chat(as_folder, merged, lambda text: None).model.eval(),
        )
    )
    assert len(expected) == 6 and of_merged == expected != untrained
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    with plain_stack.starts_engines():
        done = CliRunner().invoke(cockpit, ["chat", str(adapter), "-p", "what is the name of red 3", "--greedy"])
    assert (done.exit_code, done.stdout[:6]) == (0, expected), (done.output, done.exception)


def test_the_exporter_imports_nothing_of_the_stack_before_it_knows_what_comes_first() -> None:
    """Unsloth must come before transformers and torch."""
    look = "import sys, cockpit.engine.export.__main__; print({'torch', 'transformers', 'unsloth'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
