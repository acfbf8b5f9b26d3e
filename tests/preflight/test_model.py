"""Models and machines that cannot work: one clear message each, before anything is loaded."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from cockpit.machine.gpu import GpuReport
from cockpit.models.folder import ModelFolder
from cockpit.preflight import machine
from cockpit.protocol.events import GpuReading
from cockpit.recipe.document import RecipeDocument
from tests.preflight.preflighting import NO_GPU, document, files, said, write_model

__all__ = ["files"]


def gpu(**changes: Any) -> GpuReport:
    """One GPU of 8 GiB, 2 of them in use."""
    reading = GpuReading(index=0, uuid="GPU-1", name="T4", vram_total_mib=8192, vram_used_mib=2048)
    return GpuReport(**({"gpus": [reading], "driver": "580.1"} | changes))


def told(sample: RecipeDocument, report: GpuReport = NO_GPU) -> list[str]:
    """What preflight says, without file and line."""
    return [re.sub(r"^sample\.yaml(:\d+)?: ", "", line) for line in said(sample, report)]


def weights(shapes: dict[str, list[int]], *, whole: bool = False) -> bytes:
    """A safetensors file of 16-bit tensors; its numbers are only there where it is `whole`."""
    described, at = {}, 0
    for name, shape in shapes.items():
        size = 2
        for length in shape:
            size *= length
        described[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(described).encode()
    return len(header).to_bytes(8, "little") + header + (bytes(at) if whole else b"")


def config(**changes: Any) -> str:
    return json.dumps({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"} | changes)


def quantized(**settings: Any) -> str:
    return config(quantization_config=settings)


NF4 = quantized(quant_method="bitsandbytes", load_in_4bit=True, bnb_4bit_quant_type="nf4")
UNKNOWN = f"the installed transformers ({metadata.version('transformers')}) does not know the family 'qwen99'"
ORIGIN = "give the model that it was made from"


@pytest.mark.parametrize(
    ("changes", "settings", "sentence"),
    [
        (
            {"config__json": config(num_experts=8)},
            {"lora__init": "pissa"},
            "lora.init: pissa begins with one layer's weights, and this model's experts are one weight together; give "
            "default",
        ),
        (
            {"config__json": config(model_type="qwen99")},
            {},
            f"model.name_or_path: {UNKNOWN}; update transformers, or give another model",
        ),
        (
            {"config__json": config(model_type="qwen99", auto_map={"AutoConfig": "own.Config"})},
            {},
            f"model.name_or_path: {UNKNOWN}; update "
            "transformers, or run the code that comes with the model (model.trust_remote_code: true)",
        ),
        ({"model__safetensors": "short"}, {}, "model.name_or_path: model.safetensors is incomplete; copy it again"),
        (
            {
                "model__safetensors__index__json": json.dumps(
                    {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
                )
            },
            {},
            "model.name_or_path: 1 of its weight files are missing (model-2.safetensors); copy the whole model",
        ),
        ({"config__json": NF4}, {}, "model.quantization: the weights in this folder are nf4 already; give nf4"),
        (
            {"config__json": quantized(quant_method="bitsandbytes", load_in_8bit=True)},
            {},
            "model.quantization: the weights in this folder are int8 already; give int8",
        ),
        (
            {"config__json": NF4},
            {"finetuning_type": "full"},
            "finetuning_type: its weights are nf4, and full trains every weight; give lora, or the model that it was "
            "made from",
        ),
        (
            {"config__json": quantized(quant_method="gptq", bits=4)},
            {},
            f"model.name_or_path: its weights are quantised by gptq, which cannot be trained here; {ORIGIN}",
        ),
        (
            {"config__json": quantized(quant_method="awq")},
            {},
            f"model.name_or_path: its weights are quantised by awq, which cannot be trained here; {ORIGIN}",
        ),
        (
            {"config__json": quantized(quant_method="mxfp4")},
            {"backend": "transformers", "model__quantization": "nf4"},
            "model.quantization: its weights are mxfp4, which plain transformers trains as 16-bit weights only; give "
            "none, or unsloth as backend",
        ),
        (
            {"config__json": quantized(quant_method="fp8")},
            {"backend": "transformers"},
            f"model.name_or_path: its weights are quantised by fp8, which plain transformers cannot train; {ORIGIN}, "
            "or unsloth as backend",
        ),
        (
            {"config__json": None, "m__gguf": "GGUF"},
            {},
            "model.name_or_path: the folder holds a GGUF file, which cannot be trained; give the folder of the model "
            "that it was made from",
        ),
        (
            {},
            {"model__quantization": "int8"},
            "model.quantization: int8 needs a GPU, and this run has none; give none or nf4",
        ),
    ],
)
def test_models_that_cannot_work_on_the_cpu(
    changes: dict[str, str | None], settings: dict[str, Any], sentence: str
) -> None:
    write_model(**changes)
    assert told(document(**settings)) == [sentence]


def test_loftq_needs_a_package_and_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = document(lora__loftq_config={"loftq_bits": 4})
    monkeypatch.setattr(machine, "has_scipy", lambda: False)
    assert told(sample) == [
        "lora.loftq_config: LoftQ needs the package scipy, which is not installed here; install it (pip install "
        "scipy), or leave it empty"
    ]
    monkeypatch.setattr(machine, "has_scipy", lambda: True)
    assert told(sample) == ["lora.loftq_config: LoftQ needs a GPU, and this run has none; leave it empty"]
    sample.set("hardware.gpu", "0")
    assert told(sample, gpu()) == []


def test_a_quantised_folder_works_as_what_it_is() -> None:
    write_model(config__json=NF4)
    assert said(document(model__quantization="nf4")) == []
    write_model(config__json=quantized(quant_method="mxfp4"))
    assert said(document()) == []
    assert said(document(backend="transformers", training__gradient_checkpointing="none")) == []


def test_images_need_a_model_that_sees_and_for_unsloth_a_gpu() -> None:
    Path("rows.jsonl").write_text('{"image": "a.png", "text": "x"}\n')
    images = document(data__sources__0__format="image_text", data__sources__0__instruction="Read it.")
    assert any("this model reads text alone; give a vision model" in line for line in said(images))
    seeing = config(architectures=["Gemma3ForConditionalGeneration"], model_type="gemma3", vision_config={})
    write_model(config__json=seeing)
    assert any("backend: Unsloth trains images on a GPU only" in line for line in said(images))
    images.set("hardware.gpu", "0")
    assert not any("backend" in line or "sees" in line for line in said(images, gpu()))
    images.set("hardware.gpu", "none")
    images.set("backend", "transformers")
    assert not any("Unsloth trains images" in line for line in said(images))


def test_text_on_a_model_that_sees_works_on_the_cpu() -> None:
    write_model(
        config__json=config(architectures=["Gemma3ForConditionalGeneration"], model_type="gemma3", vision_config={})
    )
    assert said(document()) == []


@pytest.mark.parametrize(
    ("cuda", "driver", "wrong"),
    [
        ("13.0", "535.104", "the NVIDIA driver 535.104 is too old for torch's CUDA 13.0"),
        ("12.8", "470.57", "the NVIDIA driver 470.57 is too old for torch's CUDA 12.8"),
        ("", "580.1", "there is an NVIDIA GPU, and the torch that is installed here was built without CUDA"),
        ("12.8", "535.104", ""),
        ("13.0", "", ""),
        (None, "400", ""),
    ],
)
def test_drivers_that_torch_cannot_use(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, driver: str, wrong: str
) -> None:
    monkeypatch.setattr(machine, "torch_cuda", lambda: cuda)
    found = told(document(hardware__gpu="auto"), gpu(driver=driver))
    assert [line.split("; ")[0] for line in found] == ([f"hardware.gpu: {wrong}"] if wrong else [])
    assert told(document(hardware__gpu="none"), gpu(driver=driver)) == []


def test_torch_is_asked_without_being_imported() -> None:
    """In a process of its own, which says what it has imported."""
    program = (
        "import json, sys; from cockpit.machine import installed as i; "
        "print(json.dumps([i.torch_cuda(), sorted(i.model_families()), sorted(sys.modules)]))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    cuda, families, modules = json.loads(told)
    assert cuda == "" or re.fullmatch(r"\d+\.\d+", cuda)
    assert {"gemma3", "llama", "qwen3"} <= set(families)
    assert not {"torch", "transformers"} & set(modules)


def test_bfloat16_asked_of_a_gpu_without_it() -> None:
    old, new = gpu(capabilities={"GPU-1": (7, 5)}), gpu(capabilities={"GPU-1": (9, 0)})
    sample = document(hardware__gpu="0", model__dtype="bfloat16")
    assert told(sample, old) == ["model.dtype: the chosen GPU has no bfloat16; give auto or float16"]
    assert said(sample, new) == said(sample, gpu()) == []
    assert said(document(hardware__gpu="0", model__dtype="float16"), old) == []


def test_weights_that_do_not_fit_alone() -> None:
    """5 G linear weights and 0.5 G embeddings: 11 GB in 16 bits, 3.6 GB in nf4."""
    shapes = {"model.layers.0.mlp.up_proj.weight": [50_000, 100_000], "model.embed_tokens.weight": [50_000, 10_000]}
    write_model()
    Path("model/model.safetensors").write_bytes(weights(shapes))
    folder = ModelFolder.at(Path("model"))
    assert folder.loaded_bytes("none") == 11_000_000_000
    assert folder.loaded_bytes("nf4") == 5_000_000_000 * 0.516 + 1_000_000_000
    assert folder.loaded_bytes("int8") == 6_000_000_000
    sentences = [line for line in told(document(hardware__gpu="0"), gpu()) if "weights alone" in line]
    assert sentences == [
        "model.name_or_path: the weights alone take 10 GiB, and GPU 0 has 6.0 GiB free; give nf4 as "
        "model.quantization, or give a smaller model"
    ]
    fits = said(document(hardware__gpu="0", model__quantization="nf4"), gpu())
    assert not any("weights alone" in line for line in fits)


def test_whole_and_truncated_weights() -> None:
    write_model()
    path = Path("model/model.safetensors")
    path.write_bytes(weights({"a": [4, 4]}, whole=True))
    assert ModelFolder.at(Path("model")).truncated_file() == ""
    path.write_bytes(weights({"a": [4, 4]}, whole=True)[:-1])
    assert ModelFolder.at(Path("model")).truncated_file() == "model.safetensors"


def test_what_a_folder_tells(tmp_path: Path) -> None:
    assert ModelFolder.at(tmp_path).config == {}
    assert ModelFolder(tmp_path, {"vision_config": {}}).is_vision
    assert ModelFolder(tmp_path, {"architectures": ["AForConditionalGeneration"]}).is_vision
    assert not ModelFolder(tmp_path, {"architectures": ["Gemma3ForCausalLM"], "vision_config": None}).is_vision
    assert ModelFolder(tmp_path, {"architectures": "text", "quantization_config": []}).architectures == []


def test_consolidated_weights_beside_others_are_not_counted_twice() -> None:
    shapes = {"model.layers.0.mlp.up_proj.weight": [8, 8]}
    Path("model", "model.safetensors").write_bytes(weights(shapes, whole=True))
    alone = ModelFolder.at(Path("model")).loaded_bytes("none")
    Path("model", "consolidated.safetensors").write_bytes(weights(shapes, whole=True))
    assert ModelFolder.at(Path("model")).loaded_bytes("none") == alone == 128
    Path("model", "model.safetensors").unlink()
    assert [path.name for path in ModelFolder.at(Path("model")).weights] == ["consolidated.safetensors"]


def test_an_index_that_names_no_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "x" * 300, "b": [1]}}))
    assert ModelFolder.at(tmp_path).missing_shards() == ["[1]", "x" * 300]
