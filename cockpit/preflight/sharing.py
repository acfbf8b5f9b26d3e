"""What each of several GPUs holds that share a run, and the way to share it that fits where the recipe says auto"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace

from cockpit.models.shape import ModelShape
from cockpit.preflight.activations import Passing
from cockpit.preflight.weights import Held
from cockpit.recipe.model import Parallel
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.section import Conflict
from cockpit.recipe.sharing import shared_by
from cockpit.recipe.sharing_rules import FIELD

DEEPSPEED = ("zero2", "zero3")
WAYS: tuple[Parallel, ...] = ("ddp", "fsdp", "layers")
"""In the order in which auto tries them: the quickest first."""
TOGETHER = 2
"""Layers whose weights are whole at once with fsdp: the one at work and the next one."""


def of_sharing(recipe: Recipe) -> Iterator[Conflict]:
    """What the recipe's way needs, and is not here."""
    way = recipe.hardware.parallel
    if way not in DEEPSPEED:
        return
    if importlib.util.find_spec("deepspeed") is None:
        wrong = f"{way} is DeepSpeed's, which is not installed here"
    else:
        wrong = f"{way} is DeepSpeed's, and this version trains by DDP, FSDP2 and device_map alone"
    yield Conflict(FIELD, wrong, f"give {'fsdp, which shares as much, or ' if way == 'zero3' else ''}ddp")


def way_that_fits(recipe: Recipe, fits: Callable[[Recipe], bool | None]) -> Recipe:
    """The recipe with the way that its GPUs share the work in, where it says auto, and as many rows a step: the first
    that `fits` each of them, ddp where none does or nobody knows (None)."""
    if recipe.hardware.parallel != "auto" or recipe.hardware.ranks == 1:
        return recipe
    for way in WAYS:
        found = shared_by(recipe, way)
        if any(found.sharing_conflicts()):
            continue
        if (answer := fits(found)) is None:
            break
        if answer:
            return found
    return shared_by(recipe, "ddp")


def held_by_each(held: Held, recipe: Recipe) -> Held:
    """What one of the GPUs holds of what the run does."""
    hardware = recipe.hardware
    if not hardware.is_sharded and not hardware.is_spread:
        return held
    each = hardware.gpus if hardware.is_spread else hardware.ranks
    parts = {name: -(-getattr(held, name) // each) for name in ("adapter", "gradients", "optimizer", "update")}
    if hardware.parallel == "zero2":  # the weights themselves stay whole
        return replace(held, **{**parts, "adapter": held.adapter})
    return replace(held, weights=-(-held.weights // each), **parts)


def gathered(held: Held, shape: ModelShape, recipe: Recipe) -> int:
    """Bytes of what is whole for a moment on a GPU that has a share of the weights; `held` is the run's as a whole."""
    if recipe.hardware.parallel not in ("fsdp", "zero3") or not recipe.hardware.is_sharded:
        return 0
    each = held.weights / shape.parameters
    outside = shape.embeddings + shape.head
    layer = (shape.parameters - outside) / max(1, shape.layers)
    return round(each * max(TOGETHER * layer, layer + max(shape.embeddings, shape.head)))


def passing_each(step: Passing, recipe: Recipe) -> Passing:
    """What a micro-batch takes of one GPU: where each has some of the layers, it keeps what those keep."""
    if not recipe.hardware.is_spread:
        return step
    return replace(step, kept=-(-step.kept // recipe.hardware.gpus))
