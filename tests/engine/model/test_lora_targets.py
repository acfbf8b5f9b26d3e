"""Which layers the switches leave to the adapter, as PEFT itself takes the names."""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch

from cockpit.engine.model.lora_targets import lora_targets, unknown_names
from cockpit.recipe.lora import Lora


def model_of(shape: dict[str, dict[str, Any]]) -> torch.nn.Module:
    """Two blocks whose parts hold the layers that `shape` gives them."""
    block = {part: torch.nn.ModuleDict(layers) for part, layers in shape.items()}
    return torch.nn.ModuleDict({"h": torch.nn.ModuleList([torch.nn.ModuleDict(block)] * 2)})


def linear() -> torch.nn.Module:
    return torch.nn.Linear(4, 4)


def adapted(model: torch.nn.Module, lora: Lora) -> set[str]:
    """Parts and leaves that got an adapter."""
    found = peft.inject_adapter_in_model(
        peft.LoraConfig(target_modules=lora_targets(model, lora, is_vision=False)), model
    )
    return {
        name.split(".", 2)[2] for name, module in found.named_modules() if isinstance(module, peft.tuners.lora.Linear)
    }


@pytest.mark.parametrize("named", ["all-linear", ["c_attn", "c_proj", "c_fc"]])
@pytest.mark.parametrize(
    ("switches", "left"),
    [
        ({"finetune_attention_modules": False}, {"mlp.c_proj", "mlp.c_fc"}),
        ({"finetune_mlp_modules": False}, {"attn.c_proj", "attn.c_attn"}),
    ],
)
def test_a_name_in_two_kinds_of_layer(named: Any, switches: dict[str, Any], left: set[str]) -> None:
    shape = {"attn": {"c_attn": linear(), "c_proj": linear()}, "mlp": {"c_fc": linear(), "c_proj": linear()}}
    assert adapted(model_of(shape), Lora(target_modules=named, **switches)) == left


def test_the_output_of_an_attention_may_be_called_dense() -> None:
    model = model_of(
        {"attention": {"query_key_value": linear(), "dense": linear()}, "mlp": {"dense_h_to_4h": linear()}}
    )
    lora = Lora(target_modules="all-linear", finetune_mlp_modules=False)
    assert adapted(model, lora) == {"attention.query_key_value", "attention.dense"}


def test_names_that_mean_one_kind_stay_as_they_are() -> None:
    model = model_of({"self_attn": {"q_proj": linear()}, "mlp": {"up_proj": linear()}})
    assert lora_targets(model, Lora(target_modules="all-linear", finetune_mlp_modules=False), is_vision=False) == [
        "q_proj"
    ]


def test_a_name_that_other_modules_have_too_is_spelt_out() -> None:
    block = torch.nn.ModuleDict({"patch_embed": torch.nn.ModuleDict({"proj": torch.nn.Conv2d(3, 4, 2)})})
    block["attn"] = torch.nn.ModuleDict({"proj": linear()})
    model = torch.nn.ModuleDict({"visual": block, "language_model": torch.nn.ModuleDict({"q_proj": linear()})})
    lora = Lora(target_modules="all-linear", finetune_vision_layers=True)
    assert lora_targets(model, lora, is_vision=True) == ["visual.attn.proj", "q_proj"]


def test_layers_in_a_wrapper_are_named_by_it() -> None:
    tower = torch.nn.ModuleDict({"q_proj": torch.nn.ModuleDict({"linear": linear()})})
    model = torch.nn.ModuleDict({"vision_tower": tower, "language_model": torch.nn.ModuleDict({"q_proj": linear()})})
    assert lora_targets(model, Lora(target_modules=["q_proj"]), is_vision=True) == ["language_model.q_proj"]
    both = Lora(target_modules=["q_proj"], finetune_vision_layers=True)
    assert lora_targets(model, both, is_vision=True) == ["linear", "language_model.q_proj"]
    never = torch.nn.ModuleDict({"audio_tower": tower, "language_model": torch.nn.ModuleDict({"q_proj": linear()})})
    assert lora_targets(never, both, is_vision=True) == ["language_model.q_proj"]


def test_names_that_no_layer_has_are_told() -> None:
    model = model_of({"self_attn": {"q_proj": linear()}, "mlp": {"gate_proj": linear()}})
    lora = Lora(target_modules=["q_proj", "v_porj", "mlp.gate_proj"], modules_to_save=["lm_haed", "mlp"])
    assert unknown_names(model, lora) == (["v_porj"], ["lm_haed"])
    assert unknown_names(model, Lora(target_modules="all-linear")) == ([], [])


def test_experts_in_one_tensor_go_by_the_usual_names() -> None:
    model = model_of({"self_attn": {"q_proj": linear()}, "mlp": {"experts": linear()}})
    assert unknown_names(model, Lora()) == ([], [])
    assert unknown_names(model, Lora(target_modules=["q_proj", "up_porj"])) == (["up_porj"], [])
