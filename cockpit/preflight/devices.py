"""Several GPUs: how many a recipe takes here, and what cannot work with several"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import metadata

from cockpit.machine.gpu import DRIVERLESS, NONE, GpuReport
from cockpit.preflight.sharing import of_sharing
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.model import ALONE
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schedule import accumulation_for
from cockpit.recipe.section import Conflict
from cockpit.text.plain_text import plain_line

MOST = 16
"""The most that hardware.devices can say."""
NCCL = "nvidia-nccl-"
"""How the packages begin by which GPUs talk to each other, which torch's wheels for CUDA ask for."""


def counted(report: GpuReport) -> int:
    """How many GPUs `all` are here; 1 where there is none, which then trains on the CPU."""
    return max(1, min(MOST, len(report.visible())))


def with_devices_counted(recipe: Recipe, report: GpuReport) -> Recipe:
    """The recipe with the number of this machine's GPUs where it says `all`; nothing is checked."""
    if recipe.hardware.devices != "all":
        return recipe
    hardware = recipe.hardware.model_copy(update={"devices": counted(report)})
    return recipe.model_copy(update={"hardware": hardware})


def count_devices(document: RecipeDocument, report: GpuReport) -> Recipe:
    """The document's recipe, with the number of this machine's GPUs put where it says `all`: a run keeps it, wherever
    it goes on. Raises RecipeError."""
    if document.recipe().hardware.devices == "all":
        document.set("hardware.devices", counted(report))
    return document.recipe()


def share_among(document: RecipeDocument, gpus: str, machines: int, report: GpuReport) -> None:
    """Let `gpus` GPUs (a number, or all that are here) of each of so many machines take the rows of a step that the
    document's recipe has. Raises RecipeError, and ValueError with a sentence where they cannot share these rows."""
    before = document.recipe()
    document.set_from_text(f"hardware.devices={counted(report) if gpus == 'all' else gpus}")
    document.set("hardware.nodes", machines)
    ranks = document.recipe().hardware.ranks
    document.set("training.gradient_accumulation_steps", accumulation_for(before, ranks))


def of_devices(recipe: Recipe, report: GpuReport, chosen: Sequence[str]) -> Iterator[Conflict]:
    """What cannot work with the GPUs `chosen` together, by their UUIDs."""
    several = recipe.hardware.gpus * recipe.hardware.nodes
    if several == 1:
        return
    yield from of_sharing(recipe)
    if recipe.method in ALONE:
        wrong = f"{recipe.method} trains on one GPU alone, and hardware.devices is {several}"
        yield Conflict("hardware.devices", wrong, "give 1")
    if recipe.output.row_losses:
        wrong = f"the loss by row is kept by one GPU alone, and hardware.devices is {several}"
        yield Conflict("output.row_losses", wrong, "give false, or 1 as hardware.devices")
    if chosen[0] in (NONE, DRIVERLESS):
        return
    readings = [next((gpu for gpu in report.gpus if gpu.uuid == uuid), None) for uuid in chosen]
    doubled = next((uuid for uuid in chosen if chosen.count(uuid) > 1), None)
    if doubled is not None:
        number = next((gpu.index for gpu in report.gpus if gpu.uuid == doubled), doubled)
        wrong = f"GPU {number} is named twice, and two processes cannot train on one GPU"
        yield Conflict("hardware.gpu", wrong, "name each GPU once, or give auto")
    named = {plain_line(gpu.name): gpu.index for gpu in reversed(readings) if gpu is not None}
    if len(named) > 1 and not recipe.hardware.is_spread:
        there = ", ".join(f"GPU {index} is a {name}" for name, index in sorted(named.items(), key=lambda one: one[1]))
        wrong = f"the GPUs are different ones ({there}), and each step would wait for the slowest"
        yield Conflict("hardware.devices", wrong, "name equal ones in hardware.gpu, as 0,2")
    if not recipe.hardware.is_spread and (missing := missing_nccl()):
        wrong = f"{missing}, by which GPUs talk to each other, is not installed here"
        yield Conflict("hardware.devices", wrong, f"install it (pip install {missing}), or give 1")


def missing_nccl() -> str:
    """The package that torch asks for and that is not there; empty where it is, or torch brings its own."""
    try:
        wanted = metadata.requires("torch") or []
    except metadata.PackageNotFoundError:
        return ""
    for one in wanted:
        name = one.split(";")[0].split("=")[0].split(" ")[0].strip()
        if name.startswith(NCCL):
            try:
                metadata.version(name)
            except metadata.PackageNotFoundError:
                return name
    return ""
