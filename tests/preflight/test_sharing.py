"""How several GPUs share a run: what each holds, and the way that auto takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cockpit.launch.engines import EngineKey
from cockpit.machine.gpu import GpuReport
from cockpit.models.shape import ModelShape
from cockpit.preflight.memory import NCCL, Device, Forecast, Moment, forecast
from cockpit.preflight.outlook import Forecaster, settle
from cockpit.preflight.sharing import way_that_fits
from cockpit.preflight.weights import held
from cockpit.protocol.events import GpuReading
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schedule import effective_batch
from cockpit.recipe.sharing import sharing_text
from tests.models.shapes import LLAMA_3_8B
from tests.preflight.memory_recipe import RECIPE

GIB = 2**30
H200 = Device(139 * GIB, 138 * GIB)
PLAIN = ("backend=transformers", "training.gradient_checkpointing=none", "training.optim=adamw_torch_fused")


def document(*settings: str) -> RecipeDocument:
    found = RecipeDocument.parse(RECIPE, "recipe.yaml")
    for setting in (*PLAIN, *settings):
        found.set_from_text(setting)
    return found


def told(*settings: str) -> Forecast:
    found = forecast(LLAMA_3_8B, document(*settings).recipe(), H200)
    assert found is not None
    return found


def moment(found: Forecast, phase: str) -> Moment:
    return next(one for one in found.moments if one.phase == phase)


def test_with_fsdp_each_gpu_holds_its_share_and_two_layers_or_a_layer_and_the_head_whole() -> None:
    whole, shared = (
        moment(told("model.quantization=none", "hardware.devices=4", f"hardware.parallel={way}"), "step").parts
        for way in ("ddp", "fsdp")
    )
    for part in ("weights", "adapter", "optimizer"):
        assert shared[part] == pytest.approx(whole[part] / 4, abs=1)
    assert whole["gradients"] == pytest.approx(8 * shared["gradients"], rel=1e-6), "DDP has them twice"
    outside = 2 * 128_256 * 4096
    layer = (8_030_261_248 - outside) / 32
    assert shared["buffers"] - whole["buffers"] == pytest.approx(2 * max(2 * layer, layer + outside / 2), abs=2)
    assert shared["context"] == whole["context"] and shared["context"] > NCCL


def test_quantised_weights_come_whole_before_they_are_shared_and_are_whole_again_for_answers() -> None:
    settings = ("model.quantization=nf4", "hardware.devices=4", "hardware.parallel=fsdp")
    found = told(*settings, "samples.prompts=[hello]")
    recipe = document(*settings).recipe()
    shape = ModelShape.of(LLAMA_3_8B)
    assert shape is not None
    weights = held(shape, recipe, "nf4", images=False).weights
    assert moment(found, "load").parts["weights"] == moment(found, "answers").parts["weights"] == weights
    assert moment(found, "step").parts["weights"] == pytest.approx(weights / 4, abs=1)


def test_spread_layers_keep_what_they_keep_on_their_own_gpu_and_one_process_trains() -> None:
    one = moment(told("model.quantization=none"), "step").parts
    spread = moment(told("model.quantization=none", "hardware.devices=2", "hardware.parallel=layers"), "step").parts
    for part in ("weights", "adapter", "gradients", "optimizer"):
        assert spread[part] == pytest.approx(one[part] / 2, abs=1)
    assert spread["context"] == one["context"], "nothing is talked over between processes"


def recipe(*settings: str) -> Recipe:
    return document("hardware.devices=2", *settings).recipe()


def test_auto_takes_the_first_way_that_fits_and_keeps_the_rows_of_a_step() -> None:
    asked = recipe()
    for fitting in ("ddp", "fsdp", "layers"):
        found = way_that_fits(asked, lambda way, name=fitting: way.hardware.parallel == name)  # type: ignore[misc]
        assert found.hardware.parallel == fitting and effective_batch(found) == effective_batch(asked)
    assert way_that_fits(asked, lambda way: False).hardware.parallel == "ddp"
    assert way_that_fits(asked, lambda way: None).hardware.parallel == "ddp"
    unsloth = recipe("backend=unsloth", "training.gradient_checkpointing=unsloth")
    assert way_that_fits(unsloth, lambda way: way.hardware.parallel != "ddp").hardware.parallel == "layers"
    given = recipe("hardware.parallel=fsdp")
    assert way_that_fits(given, lambda way: False) is given


def cards(mib: float) -> GpuReport:
    gpus = [
        GpuReading(index=at, uuid=f"GPU-{at}", name="NVIDIA H100", vram_total_mib=mib, vram_used_mib=0.0)
        for at in (0, 1)
    ]
    return GpuReport(gpus=gpus, driver="580.1")


@pytest.mark.parametrize(("gib", "way", "words"), [(80, "ddp", "each with the whole model"), (14, "fsdp", "a share")])
def test_a_run_keeps_the_way_that_fits_its_machine_and_says_so(
    gib: int, way: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_3_8B))
    written = document(
        f"model.name_or_path={tmp_path}", "model.quantization=none", "hardware.devices=2", "hardware.gpu=auto",
        "training.gradient_checkpointing=non_reentrant", "training.per_device_train_batch_size=1",
    )  # fmt: skip
    report = cards(gib * 1024.0)
    outlook = Forecaster().outlook(written.recipe(), report, None)
    assert outlook.fit == "fits" and words in outlook.shared and f"({way})" in outlook.shared
    kept = settle(written, report)
    assert kept.hardware.parallel == written.recipe().hardware.parallel == way
    assert EngineKey.of(kept, report).ranks == 2


def test_spread_layers_are_one_process_that_sees_all_its_gpus_also_when_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    spread, report = recipe("hardware.parallel=layers", "hardware.gpu=auto"), cards(1024.0)
    key = EngineKey.of(spread, report)
    assert (key.ranks, key.gpu) == (1, "GPU-0,GPU-1") and EngineKey.to_ask(spread, report) == key
    assert sharing_text(spread) == "2 GPUs, each with some of the layers (layers)"
    assert sharing_text(recipe("hardware.gpu=none")) == "2 processes, each with the whole model (ddp)"


ELSEWHERE = [
    ("layers", 4, "auto", 2, "GPU-0,GPU-1"),
    ("layers", 4, "auto", 1, "GPU-0"),
    ("layers", 4, "auto", 0, "driverless"),
    ("layers", 2, "0,1", 2, "GPU-0,GPU-1"),
    ("layers", 2, "4,5", 2, "GPU-0,GPU-1"),
    ("layers", 2, "0,1", 1, "GPU-0"),
    ("ddp", 2, "4,5", 1, "GPU-0"),
    ("ddp", 4, "auto", 0, "driverless"),
    ("auto", 1, "1", 2, "GPU-1"),
    ("auto", 1, "7", 1, "GPU-0"),
    ("auto", 1, "7", 0, "driverless"),
    ("auto", 1, "none", 2, "none"),
]


@pytest.mark.parametrize(("way", "devices", "named", "here", "gpus"), ELSEWHERE, ids=lambda _: "")
def test_a_run_is_asked_by_one_process_on_the_gpus_that_are_here(
    way: str, devices: int, named: str, here: int, gpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    trained = document(f"hardware.parallel={way}", f"hardware.devices={devices}")
    trained.set("hardware.gpu", named)
    report = GpuReport(gpus=cards(1024.0).gpus[:here])
    key = EngineKey.to_ask(trained.recipe(), report)
    assert (key.ranks, key.gpu) == (1, gpus)
