"""A GPU of any size, and a recipe of Llama-3 8B that is tuned on it."""

from __future__ import annotations

from cockpit.machine.gpu import GpuReport
from cockpit.protocol.events import GpuReading
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from tests.preflight.memory_recipe import RECIPE

CARD = "a card"


def card(gib: float, used_gib: float = 0.4) -> GpuReport:
    used, total = used_gib * 1024, gib * 1024
    reading = GpuReading(index=0, uuid="GPU-0", name=CARD, vram_used_mib=used, vram_total_mib=total)
    return GpuReport(gpus=[reading], driver="570.1", capabilities={"GPU-0": (9, 0)})


def recipe(*settings: str) -> Recipe:
    document = RecipeDocument.parse(RECIPE, "recipe.yaml")
    for setting in settings:
        document.set_from_text(setting)
    return document.recipe()
