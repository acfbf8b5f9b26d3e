"""An adapter whose base is published in four bits: merged in the machine's memory, whatever trained it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.engine.errors import RunFailure
from cockpit.engine.export import merging
from cockpit.engine.export.__main__ import Exporter
from cockpit.engine.model.loading import load_for_chat
from cockpit.launch.export_form import ExportForm, why_not
from cockpit.launch.exports import export_key
from cockpit.machine.gpu import GpuReport
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import ExportEnded, GpuReading
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.lora import Loftq
from cockpit.recipe.model import Hardware
from cockpit.runs.folder import RunDir
from tests.engine import tiny
from tests.engine.conftest import HostedRun
from tests.runs.complete_checkpoint import write_safetensors


@pytest.fixture(scope="module")
def nf4(folder: Path, model: Path) -> Path:
    """The tiny model as a folder of four-bit weights."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    loaded = AutoModelForCausalLM.from_pretrained(model, quantization_config=settings, dtype=torch.float32)
    loaded.save_pretrained(folder / "nf4")
    AutoTokenizer.from_pretrained(model).save_pretrained(folder / "nf4")
    return folder / "nf4"


@pytest.fixture
def trained_nothing(tmp_path: Path) -> RunDir:
    """A run with an adapter that has no weights."""
    run = RunDir.create(tmp_path / "run")
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_text("{}")
    write_safetensors(run.adapter / "adapter_model.safetensors")
    return run


def test_the_merged_model_is_whole_and_has_16_bits(
    nf4: Path, hosted: Callable[..., HostedRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    import torch
    from transformers import AutoModelForCausalLM

    run = hosted(model__name_or_path=str(nf4), model__quantization="nf4", training__max_steps=3)
    run.until_ended()
    run.close()
    exporter = Exporter(run.run, ExportForm.parse("merged-16bit"), tmp_path / "merged", "x1")
    exporter.export(None, private=False)
    (ended,) = [event for event in EventReader(run.run.export).poll() if isinstance(event, ExportEnded)]
    assert ended.reason == ""
    assert "quantization_config" not in json.loads((tmp_path / "merged" / "config.json").read_text())
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype="auto")
    assert merged.dtype == torch.bfloat16
    loaded = load_for_chat(RecipeDocument.load(run.run.recipe).recipe(), run.run.adapter, lambda text: None)
    expected, found = tiny.logits(loaded.model, loaded.tokenizer), tiny.logits(merged.float(), loaded.tokenizer)
    assert (expected - found).abs().max() < 0.03 * expected.abs().max()


@pytest.mark.parametrize(
    ("base", "form", "gpu", "by_unsloth"),
    [
        ("model", "merged-16bit", "GPU-1", True),
        ("nf4", "merged-16bit", "GPU-1", False),
        ("nf4", "merged-4bit", "GPU-1", True),
        ("model", "merged-16bit", "", False),
    ],
)
def test_who_merges(
    base: str,
    form: str,
    gpu: str,
    by_unsloth: bool,
    trained_nothing: RunDir,
    request: pytest.FixtureRequest,
    rows: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpu)
    run = trained_nothing
    text = tiny.recipe_text(request.getfixturevalue(base), rows, model__quantization="nf4")
    seen: list[tuple[str, str]] = []

    def note(way: str) -> Callable[..., None]:
        def merged(*args: object) -> None:
            seen.append((way, os.environ["CUDA_VISIBLE_DEVICES"]))
            tiny.make_tokenizer().save_pretrained(str(tmp_path / "out"))

        return merged

    monkeypatch.setattr(merging, "import_stack", lambda backend: None)
    monkeypatch.setattr(merging, "merge_by_unsloth", note("unsloth"))
    monkeypatch.setattr(merging, "merge_with_peft", note("plainly"))
    recipe = RecipeDocument.parse(text, "recipe.yaml").recipe()
    merging.merge(run, recipe, tmp_path / "out", form, lambda words: None, lambda words: None)
    assert seen == [("unsloth", gpu) if by_unsloth else ("plainly", "")]
    rounded = recipe.lora.model_copy(update={"loftq_config": Loftq()})
    recipe = recipe.model_copy(update={"lora": rounded, "hardware": Hardware()})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(RunFailure, match="LoftQ rounds the base again when it is merged, which needs a GPU"):
        merging.merge(run, recipe, tmp_path / "out", form, lambda words: None, lambda words: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1")
    merging.merge(run, recipe, tmp_path / "out", form, lambda words: None, lambda words: None)
    assert seen[1:] == [("plainly", "GPU-1")]
    assert export_key(recipe, GpuReport(gpus=[GpuReading(index=0, uuid="GPU-1", name="x")])).gpu == "GPU-1"


def test_experts_in_four_bits_are_not_merged(trained_nothing: RunDir, rows: Path, tmp_path: Path) -> None:
    base = tmp_path / "gpt-oss"
    base.mkdir()
    quantised = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    config = {"model_type": "gpt_oss", "architectures": ["GptOssForCausalLM"], "quantization_config": quantised}
    (base / "config.json").write_text(json.dumps(config))
    text = tiny.recipe_text(base, rows, model__quantization="nf4")
    recipe = RecipeDocument.parse(text, "recipe.yaml").recipe()
    for form in ("merged-16bit", "gguf:q8_0"):
        wrong = why_not(trained_nothing, recipe, ExportForm.parse(form), "GPU-1", tmp_path / "out")
        assert wrong == f"The experts of {base} in four bits cannot be merged; give adapter."
    assert why_not(trained_nothing, recipe, ExportForm.parse("adapter"), "GPU-1", tmp_path / "out") == ""
