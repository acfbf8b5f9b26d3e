"""What cannot work where several GPUs share the work of a run"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.recipe.data import Data
from cockpit.recipe.model import SHARDED, Hardware, Model
from cockpit.recipe.section import Conflict
from cockpit.recipe.training import Training

FIELD = "hardware.parallel"
SHOWN = ("sft", "pretraining")
"""Methods of which it was shown that ranks which share the weights train them as one rank does."""
ELEMENTWISE = ("adamw_torch", "adamw_torch_fused", "sgd")
"""Optimizers that remember something of each weight by itself, so that shares of weights are enough for them."""


def sharing_conflicts(
    hardware: Hardware, model: Model, training: Training, data: Data, *, backend: str, method: str
) -> Iterator[Conflict]:
    """What of a recipe with these sections cannot work in the way that it names, on whatever machine."""
    way = hardware.parallel
    if way == "layers" and hardware.nodes > 1:
        wrong = f"layers are spread over the GPUs of one machine, and hardware.nodes is {hardware.nodes}"
        yield Conflict(FIELD, wrong, "give fsdp or ddp, or 1 as hardware.nodes")
    if hardware.devices == 1 and hardware.nodes == 1:
        return
    if way == "layers" and hardware.gpu.strip().lower() == "none":
        yield Conflict(FIELD, "layers are spread over GPUs, and hardware.gpu is none", "give ddp, or auto")
    if way not in SHARDED:
        return
    quantization = model.quantization
    if backend == "unsloth":
        wrong = f"Unsloth has the whole model on each GPU here, and {way} shares its weights"
        yield Conflict(FIELD, wrong, "give transformers as backend, or ddp")
    if way == "zero3" and quantization != "none":
        wrong = f"DeepSpeed's zero3 cannot share weights that are held as {quantization}"
        yield Conflict(FIELD, wrong, "give fsdp, zero2 or ddp, or none as model.quantization")
    if way == "fsdp" and quantization == "int8":
        wrong = "fsdp cannot share weights that are held as int8"
        yield Conflict(FIELD, wrong, "give ddp, or nf4 or none as model.quantization")
    if method not in SHOWN:
        wrong = f"nobody has shown that {method} learns the same from shared weights"
        yield Conflict(FIELD, wrong, "give ddp")
    if any(source.format == "image_text" for _, source in data.every_source()):
        yield Conflict(FIELD, "nobody has shown that images are learnt the same from shared weights", "give ddp")
    if way == "fsdp" and training.optim not in ELEMENTWISE and hardware.gpu.strip().lower() != "none":
        wrong = f"{training.optim} remembers of whole weights, and with fsdp each GPU has a share of them"
        yield Conflict("training.optim", wrong, "give adamw_torch_fused, or ddp as hardware.parallel")
    if way == "fsdp" and training.gradient_checkpointing == "reentrant":
        wrong = "nobody has shown that shared weights come together again for reentrant checkpointing"
        yield Conflict("training.gradient_checkpointing", wrong, "give non_reentrant or none")
    if model.add_tokens:
        wrong = f"the rows of new tokens are trained apart from their matrix, which {way} shares"
        yield Conflict("model.add_tokens", wrong, "leave it empty, or give ddp as hardware.parallel")
