"""Whether this machine can train a recipe: its GPU, driver, torch and memory"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator

from cockpit.data.inputs import Inputs
from cockpit.machine.gpu import DRIVERLESS, NONE, GpuReport, free_mib
from cockpit.machine.installed import torch_cuda
from cockpit.models.folder import ModelFolder
from cockpit.models.hub_cache import cached_snapshot
from cockpit.paths import kind_of, located
from cockpit.preflight.devices import of_devices
from cockpit.preflight.model import NAME
from cockpit.protocol.events import GpuReading
from cockpit.recipe.model import Model
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.section import Conflict
from cockpit.text import numbers
from cockpit.text.plain_text import plain_line

OLDEST_DRIVERS = ((13, 580), (12, 525), (11, 450))
"""CUDA's major version, and the oldest driver that any of its releases runs on (Linux)."""
SPLIT = ("auto", "fsdp", "zero3", "layers")
"""Ways in which no GPU need hold all weights."""
BFLOAT16_SINCE = (8, 0)
"""Compute capability of the first GPUs with bfloat16."""


def of_machine(recipe: Recipe, report: GpuReport, inputs: Inputs) -> Iterator[Conflict]:
    """What this machine, or the GPU that the recipe chooses, cannot do."""
    try:
        several = report.choose_several(recipe.hardware.gpu, recipe.hardware.gpus)
    except ValueError as error:
        yield Conflict("hardware.gpu" if recipe.hardware.gpus == 1 else "hardware.devices", str(error), "")
        return
    chosen = several[0]
    yield from of_devices(recipe, report, several)
    has_loftq = recipe.lora.loftq_config is not None and recipe.finetuning_type == "lora"
    if has_loftq and not has_scipy():
        wrong = "LoftQ needs the package scipy, which is not installed here"
        yield Conflict("lora.loftq_config", wrong, "install it (pip install scipy), or leave it empty")
    if chosen in (NONE, DRIVERLESS):
        yield from _of_cpu(recipe, inputs.has_images)
        return
    yield from _of_torch(report)
    yield from _of_types(recipe, report, chosen)
    readings = [gpu for gpu in report.gpus if gpu.uuid in several]
    if readings:
        yield from _of_memory(recipe, min(readings, key=free_mib), inputs.model)
    yield from _of_reading(recipe, inputs.model)


def has_scipy() -> bool:
    """Whether scipy is installed, which LoftQ computes with."""
    return importlib.util.find_spec("scipy") is not None


def _of_cpu(recipe: Recipe, images: bool) -> Iterator[Conflict]:
    if recipe.model.quantization == "int8":
        yield Conflict("model.quantization", "int8 needs a GPU, and this run has none", "give none or nf4")
    if recipe.lora.loftq_config is not None and recipe.finetuning_type == "lora" and has_scipy():
        yield Conflict("lora.loftq_config", "LoftQ needs a GPU, and this run has none", "leave it empty")
    if images and recipe.backend == "unsloth":
        wrong = "Unsloth trains images on a GPU only, and this run has none"
        yield Conflict("backend", wrong, "give transformers, or a GPU")


def _of_torch(report: GpuReport) -> Iterator[Conflict]:
    """A driver that the installed torch cannot use."""
    cuda = torch_cuda()
    if cuda is None:
        return
    if cuda == "":
        wrong = "there is an NVIDIA GPU, and the torch that is installed here was built without CUDA"
        yield Conflict("hardware.gpu", wrong, "install a torch with CUDA, or give none to train on the CPU")
        return
    oldest = next((driver for major, driver in OLDEST_DRIVERS if cuda.split(".")[0] == str(major)), None)
    found = re.match(r"\d+", report.driver)
    if oldest is not None and found and int(found[0]) < oldest:
        wrong = f"the NVIDIA driver {plain_line(report.driver)} is too old for torch's CUDA {cuda}"
        right = f"update it to {oldest} or newer, install a torch for an older CUDA, or give none to train on the CPU"
        yield Conflict("hardware.gpu", wrong, right)


def _of_types(recipe: Recipe, report: GpuReport, chosen: str) -> Iterator[Conflict]:
    capability = report.capabilities.get(chosen)
    if capability is None or tuple(capability) >= BFLOAT16_SINCE:
        return
    for field in ("dtype", "bnb_4bit_compute_dtype"):
        if getattr(recipe.model, field) == "bfloat16":
            yield Conflict(f"model.{field}", "the chosen GPU has no bfloat16", "give auto or float16")


def read_ahead(model: Model) -> None:
    """Read the headers of the weights that the checks look at, where the model is on this disk. They are kept while the
    files do not change, so that a screen whose thread cannot wait may have another one do this first."""
    try:
        path = located(model.name_or_path) or cached_snapshot(model.name_or_path)
    except (ValueError, OSError):
        return  # told by the checks
    if path is not None and kind_of(path) == "folder":
        folder = ModelFolder.at(path)
        folder.truncated_file()
        folder.loaded_bytes(model.quantization, full_precision=model.dtype == "float32")


def _of_reading(recipe: Recipe, folder: ModelFolder | None) -> Iterator[Conflict]:
    """Weights that are shared go through the machine's memory: each process reads all of them, and keeps its share."""
    hardware, settings = recipe.hardware, recipe.model
    if folder is None or not hardware.is_sharded or settings.quantization != "none":
        return
    needed = folder.loaded_bytes("none", full_precision=settings.dtype == "float32")
    free = available_memory()
    if needed is None or needed * hardware.gpus <= free:
        return
    wrong = (
        f"each of {hardware.gpus} processes reads {numbers.size(needed)} of weights into the machine's memory before "
        f"it keeps its share, and {numbers.size(free)} are free there"
    )
    yield Conflict("hardware.parallel", wrong, "give layers, which one process reads, or fewer GPUs of each machine")


def available_memory() -> int:
    """Bytes of the machine's memory that processes may take."""
    import psutil

    return int(psutil.virtual_memory().available)


def _of_memory(recipe: Recipe, gpu: GpuReading, folder: ModelFolder | None) -> Iterator[Conflict]:
    """Weights that do not fit alone, before anything is computed with them."""
    if folder is None or gpu.vram_total_mib is None or gpu.vram_used_mib is None:
        return
    settings = recipe.model
    needed = folder.loaded_bytes(settings.quantization, full_precision=settings.dtype == "float32")
    free = (gpu.vram_total_mib - gpu.vram_used_mib) * 2**20
    if needed is not None and recipe.hardware.parallel in SPLIT:
        needed = -(-needed // (recipe.hardware.gpus * recipe.hardware.nodes))
    if needed is None or needed <= free:
        return
    wrong = f"the weights alone take {numbers.size(needed)}, and GPU {gpu.index} has {numbers.size(free)} free"
    total = gpu.vram_total_mib * 2**20
    ways = []
    if needed <= total:
        ways.append("free memory there (a model that still chats holds some)")
    if not folder.quantized and settings.quantization != "nf4" and recipe.finetuning_type == "lora":
        smaller = folder.loaded_bytes("nf4")
        if smaller is not None and smaller < total:
            ways.append("give nf4 as model.quantization")
    yield Conflict(NAME, wrong, ", ".join([*ways, "or give a smaller model"]) if ways else "give a smaller model")
