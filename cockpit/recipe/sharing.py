"""How several GPUs share the work of a run: in words, and a recipe with another way"""

from __future__ import annotations

from cockpit.recipe.model import Parallel
from cockpit.recipe.recipe import Recipe


def shared_by(recipe: Recipe, way: Parallel) -> Recipe:
    """The recipe with another way, and as many rows a step; nothing is checked."""
    before, hardware = recipe.hardware.ranks, recipe.hardware.model_copy(update={"parallel": way})
    training = recipe.training
    if before != hardware.ranks:
        rows = training.gradient_accumulation_steps * before // hardware.ranks
        training = training.model_copy(update={"gradient_accumulation_steps": max(1, rows)})
    return recipe.model_copy(update={"hardware": hardware, "training": training})


def sharing_text(recipe: Recipe) -> str:
    """`2 GPUs, each with a share of the weights (fsdp)`; empty where one GPU trains."""
    hardware = recipe.hardware
    if hardware.gpus * hardware.nodes == 1:
        return ""
    one, more = ("process", "processes") if hardware.gpu.strip().lower() == "none" else ("GPU", "GPUs")
    who = f"{hardware.gpus} {one if hardware.gpus == 1 else more}"
    if hardware.nodes > 1:
        who = f"{hardware.nodes} machines with {who}"
    if hardware.is_sharded:
        return f"{who}, each with a share of the weights ({hardware.parallel})"
    if hardware.is_spread:
        return f"{who}, each with some of the layers (layers)"
    return f"{who}, each with the whole model (ddp)"
