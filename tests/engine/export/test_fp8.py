"""A merged model in 8-bit floats: what is rounded and how far, what is left, and that transformers reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cockpit.engine.errors import RunFailure
from cockpit.engine.export.fp8 import round_to_fp8, rounded_channels
from cockpit.engine.export.verify import form_of
from cockpit.models.folder import ModelFolder
from tests.engine import tiny
from tests.engine.conftest import HostedRun
from tests.engine.export.exporting import export

Hosted = Callable[..., HostedRun]
LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.fixture(scope="module")
def merged(model: Path, folder: Path) -> Path:
    """A model in 16 bits, in two files with an index."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = folder / "merged"
    AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16).save_pretrained(place, max_shard_size="100KB")
    AutoTokenizer.from_pretrained(model).save_pretrained(place)
    assert len(list(place.glob("*.safetensors"))) > 1
    return place


@pytest.fixture
def rounded(merged: Path, tmp_path: Path) -> Path:
    place = tmp_path / "fp8"
    shutil.copytree(merged, place)
    round_to_fp8(place, trust_remote_code=False)
    return place


def weights_of(place: Path) -> dict[str, Any]:
    return {name: weight for file in sorted(place.glob("*.safetensors")) for name, weight in load_file(file).items()}


def in_16_bits(place: Path) -> dict[str, Any]:
    """The weights that the 8-bit ones and their scales stand for."""
    found = weights_of(place)
    scales = {name: found.pop(name) for name in list(found) if name.endswith("_scale")}
    for scaled, scale in scales.items():
        name = scaled.removesuffix("_scale")
        found[name] = (found[name].float() * scale.float()).to(scale.dtype)
    return found


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_each_weight_is_rounded_to_three_bits_of_mantissa_at_its_channels_scale(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    weight = torch.randn(64, 96).mul(torch.logspace(-4, 2, 64)[:, None]).to(dtype)
    weight[3] = 0
    kept, scale = rounded_channels(weight)
    assert kept.dtype == torch.float8_e4m3fn and scale.shape == (64, 1) and scale.dtype == dtype
    back = kept.float() * scale.float()
    smallest_normal = scale.float() * 2.0**-6
    allowed = torch.maximum(weight.float().abs(), smallest_normal) / 16 * 1.05
    assert ((back - weight.float()).abs() <= allowed).all()
    assert (back[3] == 0).all()
    assert torch.equal(kept.float().abs().amax(1)[4:], torch.full((60,), 448.0)), "the whole range is used"


def test_linear_layers_alone_are_rounded(merged: Path, rounded: Path) -> None:
    before, after = weights_of(merged), weights_of(rounded)
    eight = {name for name, weight in after.items() if weight.dtype == torch.float8_e4m3fn}
    assert eight == {name for name in before if name.split(".")[-2] in LAYERS}
    assert len(eight) == 2 * len(LAYERS)
    for name in set(before) - eight:
        assert torch.equal(before[name], after[name])
    assert set(after) - set(before) == {f"{name}_scale" for name in eight}
    index = json.loads((rounded / "model.safetensors.index.json").read_text())["weight_map"]
    assert set(index) == set(after)
    assert all(name in load_file(rounded / file) for name, file in index.items())
    config = json.loads((rounded / "config.json").read_text())["quantization_config"]
    assert config["ignore"] == ["lm_head"]
    assert form_of(rounded, None) == "merged-fp8"
    assert ModelFolder.at(rounded).quantized == "compressed-tensors"


def test_what_it_stands_for_answers_as_the_merged_model(merged: Path, rounded: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    plain = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.bfloat16)
    tokenizer = AutoTokenizer.from_pretrained(merged)
    before = tiny.logits(plain, tokenizer)
    plain.load_state_dict({"lm_head.weight": plain.lm_head.weight, **in_16_bits(rounded)})
    after = tiny.logits(plain, tokenizer)
    assert 0 < (after - before).abs().mean() < 0.1 * before.std()


def test_transformers_reads_it(merged: Path, rounded: Path) -> None:
    pytest.importorskip("compressed_tensors", reason="the extra fp8 is not installed")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(merged)
    before = tiny.logits(AutoModelForCausalLM.from_pretrained(merged, dtype=torch.bfloat16), tokenizer)
    read = AutoModelForCausalLM.from_pretrained(rounded, dtype=torch.bfloat16)
    after = tiny.logits(read, tokenizer)
    assert 0 < (after - before).abs().mean() < 0.1 * before.std()


def test_a_runs_export_is_the_merged_model_rounded(hosted: Hosted, rows: Path, tmp_path: Path) -> None:
    run = hosted(training__max_steps=2)
    run.until_ended()
    run.close()
    sixteen, eight = (Path(export(run.run, form, tmp_path / form).path) for form in ("merged-16bit", "merged-fp8"))
    expected, found = weights_of(sixteen), in_16_bits(eight)
    assert set(found) == set(expected)
    for name, weight in expected.items():
        assert torch.allclose(found[name].float(), weight.float(), rtol=0.07, atol=float(weight.abs().max()) / 448)


def test_a_model_whose_layers_are_called_otherwise_is_refused(merged: Path, tmp_path: Path) -> None:
    place = tmp_path / "other"
    shutil.copytree(merged, place)
    (place / next(name.name for name in place.glob("*00002*"))).unlink()
    with pytest.raises(RunFailure, match=r"cannot be rounded to 8 bits: it holds no weights of model\.layers"):
        round_to_fp8(place, trust_remote_code=False)


def test_a_model_with_its_experts_in_one_weight_is_refused(tmp_path: Path) -> None:
    from transformers import Qwen3MoeConfig

    config = Qwen3MoeConfig(
        hidden_size=16, intermediate_size=16, moe_intermediate_size=16, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, num_experts=2, vocab_size=32, architectures=["Qwen3MoeForCausalLM"],
    )  # fmt: skip
    config.save_pretrained(tmp_path)
    with pytest.raises(RunFailure, match="keeps its experts in one weight"):
        round_to_fp8(tmp_path, trust_remote_code=False)


def test_code_that_is_not_transformers_own_is_refused(merged: Path, tmp_path: Path) -> None:
    config = json.loads((merged / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": ["OwnForCausalLM"]}))
    with pytest.raises(RunFailure, match="code is not part of transformers"):
        round_to_fp8(tmp_path, trust_remote_code=False)
