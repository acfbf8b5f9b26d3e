"""Bytes that a run holds from beginning to end: weights, adapter, gradients, optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.models.shape import ModelShape
from cockpit.models.shape_parts import Linear
from cockpit.recipe.lora import Lora
from cockpit.recipe.recipe import Recipe

NEVER_ADAPTED = ("lm_head", "router", "score", "classifier")
EMBEDDINGS = ("embed_tokens", "lm_head")
PAGED_FROM = 100_000
"""bitsandbytes pages the states of a matrix with at least so many elements out to the machine's memory."""
IN_8_BITS, IN_32_BITS = 2 * (1 + 4 / 256), 8.0
"""Adam's two states of a weight: bytes with a scale for each 256 of them, or 32-bit numbers, as transformers asks for
where the weight is one of embeddings."""


@dataclass(frozen=True)
class Held:
    """Bytes. `trainable` counts weights; `update` is what the optimizer needs for a moment while it steps."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    trainable: int
    update: int
    largest: int
    """Elements of the largest matrix that is quantised, which is multiplied as 16-bit numbers."""
    result: int
    """Of what is saved in the end: the adapter, or the model after full training."""
    checkpoint: int
    """Of a checkpoint on the disk: the same and all that the optimizer remembers."""


@dataclass(frozen=True)
class _Trained:
    """`count` trained matrices of `elements` each."""

    elements: int
    count: int
    bytes_each: int
    is_embedding: bool = False


def held(shape: ModelShape, recipe: Recipe, quantization: str, *, images: bool) -> Held:
    """What the run holds. `quantization` is how the base is held (none, nf4, int8), by the recipe or by its files."""
    full = recipe.finetuning_type == "full"
    trained = list(_every_weight(shape, recipe) if full else _adapter(shape, recipe, quantization))
    gradients = sum(one.elements * one.count * one.bytes_each for one in trained)
    quantised = [one.inputs * one.outputs for one in shape.linears if _is_quantised(one, recipe, images)]
    optim, replaced = recipe.training.optim, 0
    if not full and recipe.backend == "unsloth":
        # Unsloth moves the original of a layer that is trained whole to the disk.
        replaced = 2 * sum(elements for elements, _ in _whole(shape, recipe))
    copies = 2 if recipe.copies_model else 1
    return Held(
        weights=copies * weight_bytes(shape, recipe, quantization, images=images) - replaced,
        adapter=0 if full else gradients,
        gradients=gradients,
        optimizer=sum(round(_states(one, optim)) for one in trained),
        trainable=sum(one.elements * one.count for one in trained),
        update=_update(trained, optim, gradients),
        largest=max(quantised, default=0) if quantization != "none" else 0,
        result=gradients,  # as many weights of the same types
        checkpoint=gradients + sum(round(_states(one, optim.removeprefix("paged_"))) for one in trained),
    )


def weight_bytes(shape: ModelShape, recipe: Recipe, quantization: str, *, images: bool) -> int:
    """The base as it lies in memory while it is trained."""
    settings = recipe.model
    wide = 4 if settings.dtype == "float32" else 2
    if quantization == "none":
        return shape.parameters * wide
    if recipe.backend == "transformers":
        wide = 4  # peft prepares a quantised model for training: what is not quantised becomes float32
    double = settings.bnb_4bit_use_double_quant or recipe.backend == "unsloth"
    quantised = [one for one in shape.linears if _is_quantised(one, recipe, images)]
    small = sum(_quantised(one, quantization, double) for one in quantised)
    left = shape.parameters - sum(one.parameters for one in quantised)
    return round(small) + left * wide


def _is_quantised(linear: Linear, recipe: Recipe, images: bool) -> bool:
    """Unsloth leaves what sees and hears in 16 bits, and plain transformers only where images are trained."""
    return linear.part == "language" or (recipe.backend == "transformers" and not images)


def _quantised(linear: Linear, quantization: str, double: bool) -> float:
    if quantization == "int8":
        return linear.parameters + 4 * linear.outputs * linear.count
    scales = 1 + 4 / 256 if double else 4
    return linear.parameters * (0.5 + scales / 64)


def adapted(shape: ModelShape, lora: Lora) -> Iterator[Linear]:
    """The linear layers that get an adapter, as the engine chooses them by name and switches."""
    switches = {"attention": lora.finetune_attention_modules, "feed-forward": lora.finetune_mlp_modules}
    parts = {"language": lora.finetune_language_layers, "vision": lora.finetune_vision_layers, "audio": False}
    if not shape.is_vision:
        parts["language"] = True
    for one in shape.linears:
        named = one.leaf not in NEVER_ADAPTED and one.kind != "experts"
        if lora.target_modules != "all-linear":
            named = any(one.leaf == name or one.name.endswith(f".{name}") for name in lora.target_modules)
        if named and parts[one.part] and switches.get(one.kind, True):
            yield one


def _adapter(shape: ModelShape, recipe: Recipe, quantization: str) -> Iterator[_Trained]:
    """Adapters are float32 on both backends. So are layers that are trained whole, but on 16-bit weights in plain
    transformers."""
    lora = recipe.lora
    rank = lora.r * (2 if lora.has_halves else 1)
    for one in adapted(shape, lora):
        yield _Trained(rank * one.inputs, one.count, 4)
        yield _Trained(rank * one.outputs, one.count, 4)
        if lora.use_dora:
            yield _Trained(one.outputs, one.count, 4)
    wide = 4 if recipe.backend == "unsloth" or quantization != "none" or recipe.model.dtype == "float32" else 2
    for elements, is_embedding in _whole(shape, recipe):
        yield _Trained(elements, 1, wide, is_embedding)


def _whole(shape: ModelShape, recipe: Recipe) -> Iterator[tuple[int, bool]]:
    """Elements of each layer that is trained whole, and whether it is one that is looked up."""
    names = {name.rpartition(".")[2] for name in recipe.lora.modules_to_save}
    if recipe.model.add_tokens and recipe.backend == "unsloth":
        names |= set(EMBEDDINGS)
    if shape.head == 0 and names & set(EMBEDDINGS):
        names = (names - {"lm_head"}) | {"embed_tokens"}  # one matrix
    if "embed_tokens" in names:
        yield shape.vocabulary * shape.hidden, True
    if "lm_head" in names:
        yield shape.head, False
    for one in shape.linears:
        if one.leaf in names - set(EMBEDDINGS):
            yield one.parameters, False


def _every_weight(shape: ModelShape, recipe: Recipe) -> Iterator[_Trained]:
    """Full training keeps weights and gradients in the type that the model was loaded in."""
    wide = 4 if recipe.model.dtype == "float32" else 2
    for one in shape.linears:
        yield _Trained(one.inputs * one.outputs, one.count, wide)
    yield _Trained(shape.embeddings, 1, wide, is_embedding=True)
    for elements in filter(None, (shape.head, shape.rest)):
        yield _Trained(elements, 1, wide)


def _states(trained: _Trained, optim: str) -> float:
    """Bytes on the GPU of what an optimizer remembers."""
    weights = trained.elements * trained.count
    match optim:
        case "adamw_8bit":
            return weights * (IN_32_BITS if trained.is_embedding else IN_8_BITS)
        case "paged_adamw_8bit":
            return 0 if trained.elements >= PAGED_FROM else weights * IN_8_BITS
        case "adafactor":
            return 8 * math.sqrt(trained.elements) * trained.count  # a row and a column for each matrix
        case "sgd":
            return 0
    return 2 * trained.bytes_each * weights


def _update(trained: list[_Trained], optim: str, gradients: int) -> int:
    """adamw_torch steps all weights at once, with one more copy of them; adafactor takes them one after another."""
    if optim == "adamw_torch":
        return gradients
    if optim == "adafactor":
        return 3 * 4 * max((one.elements for one in trained), default=0)
    return 0
