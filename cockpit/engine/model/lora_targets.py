"""Which layers of a model get an adapter: those that the recipe names, less the kinds that its switches leave out"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

from cockpit.engine.errors import RunFailure
from cockpit.recipe.lora import Lora

VISION = ("vision", "image", "visual", "patch", "multi_modal", "mm_projector", "merger")
AUDIO = ("audio", "speech")
ATTENTION = ("self_attn", "attention", "attn")
FEED_FORWARD = ("mlp", "feed_forward", "ffn", "dense")
NEVER_ALL = ("lm_head", "router", "score", "classifier")
"""Linear layers that all-linear does not mean."""


def lora_targets(model: Any, lora: Lora, *, is_vision: bool) -> str | list[str]:
    """The layers to adapt, as PEFT takes them: all-linear, ends of names, or whole names where an end says too much.

    `is_vision`: the model has layers of vision, which are told from those of language by their names. Raises RunFailure
    where the switches leave none.
    """
    kinds = {"attention": lora.finetune_attention_modules, "feed-forward": lora.finetune_mlp_modules, "": True}
    if not is_vision and lora.finetune_language_layers and all(kinds.values()):
        return lora.target_modules
    parts = {"vision": lora.finetune_vision_layers, "language": lora.finetune_language_layers, "audio": False}
    names = [name for name, module in model.named_modules() if isinstance(module, (torch.nn.Linear, Conv1D))]
    named = [name for name in names if _is_named(name, lora.target_modules)]
    kept = [name for name in named if parts[_part(name, is_vision)] and kinds[_kind(name)]]
    if not kept:
        if not named:
            return lora.target_modules  # PEFT says what is wrong with it
        raise RunFailure(
            "The layer switches leave no layer for the adapter.",
            "Switch on lora.finetune_language_layers, and attention or feed-forward modules.",
        )
    # PEFT takes a leaf's name for all modules of that name: where some are left out, the kept ones are spelt out.
    left_out = {name for name, _ in model.named_modules()} - set(kept)
    shared = {_leaf(name) for name in left_out}
    targets = list(dict.fromkeys(name if _leaf(name) in shared else _leaf(name) for name in kept))
    return targets + _not_linear(lora, names, parts["language"] and kinds["feed-forward"])


def unknown_names(model: Any, lora: Lora) -> tuple[list[str], list[str]]:
    """Of target_modules and of modules_to_save, the names that no layer of the model ends with.

    PEFT passes over them in silence as long as any other fits. A model whose experts are one tensor keeps the usual
    names of feed-forward layers for them, which are no names of its own.
    """
    modules = [name.removesuffix(".linear") for name, _ in model.named_modules()]
    tensors = [name for name, _ in model.named_parameters()]
    known = modules + tensors
    usual = Lora.model_fields["target_modules"].default if any("experts" in name for name in tensors) else ()
    targets = [] if isinstance(lora.target_modules, str) else lora.target_modules
    unknown = [name for name in targets if name not in usual and not _ends_with(known, name)]
    return unknown, [name for name in lora.modules_to_save if not any(one.endswith(name) for one in modules)]


def _ends_with(names: Collection[str], end: str) -> bool:
    return any(name == end or name.endswith(f".{end}") for name in names)


def _not_linear(lora: Lora, names: Collection[str], wanted: bool) -> list[str]:
    """Ends of names that no linear layer has: experts that are one tensor, which Unsloth finds by them."""
    if not wanted or lora.target_modules == "all-linear":
        return []
    leaves = {_leaf(name) for name in names}
    return [target for target in lora.target_modules if "." not in target and target not in leaves]


def _is_named(name: str, target_modules: str | list[str]) -> bool:
    """Whether the recipe names the layer, as PEFT reads it: by the end of its name."""
    # Gemma 4 keeps some of its linear layers in a wrapper, as q_proj.linear.
    wrapped = name.removesuffix(".linear")
    if target_modules == "all-linear":
        return _leaf(wrapped) not in NEVER_ALL
    return any(
        name_ == target or name_.endswith(f".{target}") for target in target_modules for name_ in (name, wrapped)
    )


def _part(name: str, is_vision: bool) -> str:
    """vision, audio or language."""
    if not is_vision:
        return "language"
    if any(part in name for part in AUDIO):
        return "audio"
    return "vision" if any(part in name for part in VISION) else "language"


def _kind(name: str) -> str:
    """attention, feed-forward or empty. Attention first: its output is called dense in some models."""
    if any(part in name for part in ATTENTION):
        return "attention"
    return "feed-forward" if any(part in name for part in FEED_FORWARD) else ""


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]
