"""Every form of export is listed, with its size and what stands in its way."""

import json
from pathlib import Path

import pytest

from cockpit.launch.export_choices import export_choices
from cockpit.launch.export_form import COMMON, FORMS, ExportForm, needed_bytes
from cockpit.machine.gpu import NONE
from cockpit.recipe.document import RecipeDocument
from tests.recording import RECIPE, record


def test_all_forms_with_sizes_and_obstacles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLAMA_CPP_PATH", "UNSLOTH_LLAMA_CPP_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("cockpit.launch.export_form.LlamaCpp.find", lambda: None)
    run = record(tmp_path, steps=4)
    recipe = RecipeDocument.parse(RECIPE, "recipe.yaml").recipe()
    run.adapter.mkdir(exist_ok=True)
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    weights = len(header).to_bytes(8, "little") + header + bytes(8)
    (run.adapter / "adapter_model.safetensors").write_bytes(weights)
    (run.adapter / "adapter_config.json").write_text("{}")
    (run.path / "exports" / "adapter").mkdir(parents=True)
    (run.path / "exports" / "adapter" / "there").touch()
    found = {choice.form.name: choice for choice in export_choices(run, recipe, NONE)}
    assert list(found)[: len(COMMON)] == list(COMMON) and set(found) == set(FORMS)
    adapter, merged = found["adapter"], found["merged-16bit"]
    assert (adapter.size_bytes, adapter.obstacle) == (len(weights) + 2, ""), "another folder can be named"
    assert not adapter.is_estimate and merged.is_estimate
    assert merged.obstacle == "" and merged.size_bytes is not None
    assert "needs an NVIDIA GPU" in found["merged-4bit"].obstacle
    rounded = found["merged-fp8"].size_bytes
    assert rounded is not None and merged.size_bytes / 2 < rounded < merged.size_bytes
    assert "llama.cpp is not here" in found["gguf:q8_0"].obstacle
    eight = found["gguf:q8_0"].size_bytes
    assert eight == round(merged.size_bytes * 0.54)
    needed = needed_bytes(recipe, run, ExportForm.parse("gguf:q8_0"))
    assert needed == pytest.approx(merged.size_bytes * 1.54 * 1.02, rel=1e-6)


@pytest.mark.parametrize(
    "count", [{"num_experts": 8}, {"text_config": {"num_local_experts": 32}}, {"num_experts": 0}, {}]
)
def test_a_mixture_of_experts_is_not_offered_in_8_bit_floats(tmp_path: Path, count: dict[str, object]) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text(json.dumps({"model_type": "any", **count}))
    run = record(tmp_path / "runs", steps=4)
    run.adapter.mkdir(exist_ok=True)
    (run.adapter / "adapter_model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (run.adapter / "adapter_config.json").write_text("{}")
    document = RecipeDocument.parse(RECIPE, "recipe.yaml")
    document.use_model(base)
    found = {choice.form.name: choice.obstacle for choice in export_choices(run, document.recipe(), NONE)}
    has_experts = count not in ({"num_experts": 0}, {})
    assert ("mixture of experts" in found["merged-fp8"]) is has_experts
    assert "mixture of experts" not in found["merged-16bit"]
