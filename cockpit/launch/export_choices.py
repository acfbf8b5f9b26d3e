"""Every form of export for one run: how large about it gets, and what stands in its way here"""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.launch.export_form import COMMON, FORMS, ExportForm, default_folder, result_bytes, why_not
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir


@dataclass(frozen=True)
class ExportChoice:
    """`size_bytes` is an estimate but for the adapter's, None where the base's size is not known; `obstacle` a
    sentence, empty where the form can be had."""

    form: ExportForm
    size_bytes: int | None
    obstacle: str

    @property
    def is_estimate(self) -> bool:
        """Whether the size is worked out, and not measured."""
        return self.form.kind != "adapter"


def export_choices(run: RunDir, recipe: Recipe, gpu: str) -> list[ExportChoice]:
    """All forms, the usual ones first. `gpu` as EngineKey has it."""
    found = []
    for name in sorted(FORMS, key=lambda name: COMMON.index(name) if name in COMMON else len(COMMON)):
        form = ExportForm.parse(name)
        # A folder of another export in the same place is no obstacle: another place can be named.
        obstacle = why_not(run, recipe, form, gpu, default_folder(run, form), is_placed=False)
        found.append(ExportChoice(form, result_bytes(recipe, run, form), obstacle))
    return found
