"""Which class, tokenizer and processor a model gets from plain transformers, and what its adapter is made of."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from cockpit.engine import stack
from cockpit.engine.errors import RunFailure
from cockpit.engine.model import loading
from cockpit.engine.model.base_model import tell_unfollowed
from cockpit.engine.model.loading import (
    Loaded,
    bring_back,
    limit_compiling,
    load_for_chat,
    load_for_training,
    unshared,
)
from cockpit.engine.stack import import_stack
from cockpit.models.folder import ModelFolder
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.model import Hardware
from cockpit.recipe.recipe import Recipe
from tests.engine import tiny
from tests.engine.families import make_family
from tests.engine.warm_stack import WarmStack


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the models of this module."""
    return tmp_path_factory.mktemp("families")


def model_of(families: Path, name: str) -> Path:
    folder = families / name
    return folder if folder.is_dir() else make_family(name, folder)


def recipe_for(model: Path, rows: Path, **changes: Any) -> Recipe:
    text = tiny.recipe_text(model, rows, backend="transformers", **changes)
    return RecipeDocument.parse(text, "recipe.yaml").recipe()


def loaded_from(model: Path, rows: Path, **changes: Any) -> Loaded:
    return load_for_training(recipe_for(model, rows, **changes), lambda _: None)


def adapted_layers(loaded: Loaded) -> set[str]:
    """Whole names of the layers with an adapter, less the layer's number."""
    return {
        name.removeprefix("base_model.model.").replace(".lora_A.default", "").replace(".1.", ".0.")
        for name, _ in loaded.model.named_modules()
        if name.endswith(".lora_A.default")
    }


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("llama", "LlamaForCausalLM"),
        ("gemma3-text", "Gemma3ForCausalLM"),
        ("gemma3", "Gemma3ForConditionalGeneration"),
        ("misnamed", "Gemma3ForCausalLM"),
        ("gpt-oss", "GptOssForCausalLM"),
    ],
)
def test_class_tokenizer_and_processor(families: Path, rows: Path, family: str, kind: str) -> None:
    loaded = loaded_from(model_of(families, family), rows)
    assert type(loaded.model.base_model.model).__name__ == kind
    assert loaded.tokenizer.is_fast
    assert loaded.tokenizer.padding_side == "right"
    assert loaded.adapted
    assert (loaded.processor is not None) == (family == "gemma3")
    if loaded.processor is not None:
        assert loaded.processor.tokenizer is loaded.tokenizer
    ids = torch.tensor([loaded.tokenizer("what is the name")["input_ids"]])
    loss = loaded.model(input_ids=ids, labels=ids).loss
    loss.backward()
    assert any(parameter.grad is not None for parameter in loaded.model.parameters())


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "v_proj", "o_proj", "up_proj"]])
def test_text_on_a_model_that_sees_leaves_its_vision_alone(families: Path, rows: Path, targets: Any) -> None:
    layers = adapted_layers(loaded_from(model_of(families, "gemma3"), rows, lora__target_modules=targets))
    assert all("language_model" in layer for layer in layers)
    text = {layer.rpartition(".")[2] for layer in layers}
    assert {"q_proj", "v_proj", "o_proj", "up_proj"} <= text
    assert "lm_head" not in text


def test_vision_alone_and_vision_with_language(families: Path, rows: Path) -> None:
    model = model_of(families, "gemma3")
    changes = {"lora__target_modules": "all-linear", "lora__finetune_vision_layers": True}
    seeing = adapted_layers(loaded_from(model, rows, **changes, lora__finetune_language_layers=False))
    assert seeing
    assert all("vision_tower" in layer for layer in seeing)
    both = adapted_layers(loaded_from(model, rows, **changes))
    assert seeing < both
    attention = adapted_layers(loaded_from(model, rows, **changes, lora__finetune_mlp_modules=False))
    assert {layer.rpartition(".")[2] for layer in attention} == {"q_proj", "k_proj", "v_proj", "o_proj", "out_proj"}


def test_full_training_trains_every_weight_and_is_saved_whole(families: Path, rows: Path, tmp_path: Path) -> None:
    recipe = recipe_for(model_of(families, "llama"), rows)
    full = recipe.model_copy(update={"finetuning_type": "full"})
    loaded = load_for_training(full, lambda _: None)
    assert not loaded.adapted
    assert all(parameter.requires_grad for parameter in loaded.model.parameters())
    with torch.no_grad():
        loaded.model.lm_head.weight.add_(1.0)
    loaded.model.save_pretrained(tmp_path / "saved")
    loaded.tokenizer.save_pretrained(tmp_path / "saved")
    again = load_for_chat(full, tmp_path / "saved", lambda _: None)
    assert not again.adapted
    assert torch.equal(again.model.lm_head.weight, loaded.model.lm_head.weight)


@pytest.mark.parametrize(("devices", "nodes"), [(1, 2), (2, 4)])
def test_what_shared_weights_have_learnt_is_loaded_whole_by_one_process(
    devices: int, nodes: int, families: Path, rows: Path, tmp_path: Path
) -> None:
    changes = {"hardware__parallel": "fsdp", "hardware__devices": devices, "hardware__nodes": nodes}
    recipe = recipe_for(model_of(families, "llama"), rows, model__quantization="nf4", **changes)
    load_for_training(recipe, lambda _: None).model.save_pretrained(tmp_path / "adapter")
    again = load_for_chat(recipe, tmp_path / "adapter", lambda _: None)
    assert not again.is_sharded and unshared(recipe).hardware.ranks == 1 and not unshared(recipe).hardware.is_sharded
    kept = {p.dtype for p in again.model.parameters() if type(p).__name__ == "Params4bit"}
    assert kept == {torch.uint8}, "not as numbers that ranks can share"


def test_modules_trained_whole_stay_unquantised(families: Path, rows: Path) -> None:
    loaded = loaded_from(
        model_of(families, "llama"),
        rows,
        model__quantization="nf4",
        lora__modules_to_save=["lm_head", "embed_tokens"],
        lora__target_modules=["q_proj"],
    )
    trained = {name: p.dtype for name, p in loaded.model.named_parameters() if p.requires_grad and "lora" not in name}
    assert {name.split(".modules_to_save")[0].rpartition(".")[2] for name in trained} == {"lm_head", "embed_tokens"}
    assert set(trained.values()) == {torch.float32}
    quantised = {name for name, p in loaded.model.named_parameters() if type(p).__name__ == "Params4bit"}
    assert any("q_proj" in name for name in quantised)


@pytest.mark.parametrize("named", [["lm_head", "embed_tokens"], ["lm_head"]])
def test_head_and_embeddings_that_are_one_matrix_stay_one(families: Path, rows: Path, named: list[str]) -> None:
    model = model_of(families, "gemma3")
    loaded = loaded_from(model, rows, lora__modules_to_save=named, lora__target_modules=["q_proj"])
    embeddings, head = loaded.model.get_input_embeddings(), loaded.model.get_output_embeddings()
    assert embeddings.modules_to_save["default"].weight is head.modules_to_save["default"].weight
    assert embeddings.modules_to_save["default"].weight.requires_grad


def test_adapter_on_a_model_that_sees_is_loaded_again_with_its_processor(
    families: Path, rows: Path, tmp_path: Path
) -> None:
    recipe = recipe_for(model_of(families, "gemma3"), rows)
    loaded = load_for_training(recipe, lambda _: None)
    loaded.model.save_pretrained(tmp_path / "adapter")
    loaded.processor.save_pretrained(tmp_path / "adapter")
    saved = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert saved["base_model_name_or_path"] == str(model_of(families, "gemma3"))
    again = load_for_chat(recipe, tmp_path / "adapter", lambda _: None)
    assert again.adapted
    assert again.processor is not None
    assert again.processor.tokenizer is again.tokenizer


def test_an_adapter_whose_weights_are_of_other_layers_does_not_answer_as_its_base(
    model: Path, rows: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    recipe = recipe_for(model, rows)
    loaded = load_for_training(recipe, lambda _: None)
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    assert load_for_chat(recipe, tmp_path, lambda _: None).adapted
    weights = tmp_path / "adapter_model.safetensors"
    save_file({name.replace(".layers.", ".other."): one for name, one in load_file(weights).items()}, weights)
    with pytest.raises(RunFailure, match="The adapter does not fit its base"):
        load_for_chat(recipe, tmp_path, lambda _: None)


def test_layers_that_are_not_there_fail_with_a_sentence(families: Path, rows: Path) -> None:
    with pytest.raises(RunFailure, match="The adapter does not fit the model"):
        loaded_from(model_of(families, "llama"), rows, lora__target_modules=["query"])


def why_not_imported() -> str:
    """What hinders the import of the stack."""
    vars(stack)["Nvml"] = lambda: SimpleNamespace(absent=False)  # in a process of its own
    with pytest.raises(RunFailure) as failed:
        import_stack("transformers")
    return str(failed.value)


def test_a_gpu_that_torch_cannot_use_is_told(plain_stack: WarmStack) -> None:
    told = plain_stack.call(why_not_imported, CUDA_VISIBLE_DEVICES="GPU-none")
    assert told.startswith("There is an NVIDIA driver, and torch cannot use the GPU GPU-none (torch is built ")


@pytest.mark.parametrize(
    ("places", "place"), [(["cpu", "cuda:0", "cuda:0"], "cuda:0"), (["cuda:0"], "cuda:0"), (["cpu", "cpu"], "cpu")]
)
def test_inputs_go_to_the_gpu_though_embeddings_are_kept_in_the_machines_memory(places: list[str], place: str) -> None:
    weights = [SimpleNamespace(device=torch.device(one)) for one in places]
    loaded = Loaded(SimpleNamespace(parameters=lambda: iter(weights)), None, 128, "unsloth")
    assert loaded.device == torch.device(place)


def test_layers_of_the_base_that_were_put_away_come_back(families: Path, rows: Path) -> None:
    loaded = loaded_from(model_of(families, "llama"), rows, lora__modules_to_save=["lm_head"])
    head = loaded.model.get_output_embeddings()
    bring_back(loaded.model, torch.device("meta"))
    assert head.original_module.weight.device.type == "meta"
    assert head.modules_to_save["default"].weight.device.type == "cpu"


def imported_packages() -> set[str]:
    """Names of the packages that this process has imported."""
    return {name.split(".")[0] for name in sys.modules}


def test_plain_engine_never_imports_unsloth(plain_stack: WarmStack) -> None:
    found = plain_stack.call(imported_packages)
    assert {"torch", "trl", "bitsandbytes"} <= found
    assert not [name for name in found if name.startswith("unsloth")]


@pytest.mark.parametrize(
    ("backend", "quantised", "unfollowed"),
    [
        ("unsloth", False, ["bnb_4bit_use_double_quant: false", "bnb_4bit_compute_dtype: float16"]),
        ("transformers", False, []),
        ("transformers", True, ["bnb_4bit_use_double_quant: false", "bnb_4bit_compute_dtype: float16"]),
    ],
)
def test_settings_of_nf4_that_are_not_followed_are_told(
    rows: Path, tmp_path: Path, backend: str, quantised: bool, unfollowed: list[str]
) -> None:
    own: dict[str, Any] = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    config = {"quantization_config": own | {"bnb_4bit_compute_dtype": "bfloat16"}} if quantised else {}
    changes: dict[str, Any] = {"quantization": "nf4", "bnb_4bit_use_double_quant": False}
    changes["bnb_4bit_compute_dtype"] = "float16"
    text = tiny.recipe_text(tmp_path, rows, backend=backend, **{f"model__{name}": changes[name] for name in changes})
    said: list[str] = []
    tell_unfollowed(ModelFolder(tmp_path, config), RecipeDocument.parse(text, "recipe.yaml").recipe(), said.append)
    assert [sentence.partition(" is not followed: ")[0].removeprefix("model.") for sentence in said] == unfollowed


@pytest.mark.parametrize("quantization", ["none", "int8"])
@pytest.mark.parametrize("backend", ["unsloth", "transformers"])
def test_settings_of_nf4_without_nf4_are_told(rows: Path, tmp_path: Path, backend: str, quantization: str) -> None:
    said: list[str] = []
    changes: dict[str, Any] = {"backend": backend, "model__quantization": quantization}
    settings: dict[str, Any] = {"model__bnb_4bit_use_double_quant": False, "model__bnb_4bit_compute_dtype": "bfloat16"}
    for own in ({}, settings):
        text = tiny.recipe_text(tmp_path, rows, **changes, **own)
        tell_unfollowed(ModelFolder(tmp_path, {}), RecipeDocument.parse(text, "recipe.yaml").recipe(), said.append)
    why = f"is not followed: it is for nf4, and model.quantization is {quantization}."
    assert said == [
        f"model.bnb_4bit_use_double_quant: false {why}",
        f"model.bnb_4bit_compute_dtype: bfloat16 {why}",
    ]


def test_limits_of_compiling_without_compiling_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: dict[str, int] = {}
    monkeypatch.setattr(loading, "limit_recompiling", set_to.__setitem__)
    said: list[str] = []
    limit_compiling(Hardware(dynamo_cache_size_limit=64, dynamo_accumulated_cache_size_limit=256), said.append)
    limit_compiling(Hardware(compile=False), said.append)
    assert said == []
    assert set_to == {"cache_size_limit": 64, "accumulated_cache_size_limit": 256}
    limit_compiling(Hardware(compile=False, dynamo_cache_size_limit=32), said.append)
    assert said == [
        "hardware.dynamo_cache_size_limit: 32 is not followed: hardware.compile is false, so nothing is compiled."
    ]
