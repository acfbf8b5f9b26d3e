"""What a recipe would do on this machine: its data as found, its steps, its learning rates, what stands in its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cockpit.text.numbers import count
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.data.inputs import Inputs
    from cockpit.machine.gpu import GpuReport
    from cockpit.recipe.problem import Problem
    from cockpit.recipe.recipe import Recipe

DRAWN_STEPS = 20_000
"""Longer plans are drawn as a flat list of this many steps of the same shape: a chart has far fewer columns."""


@dataclass(frozen=True)
class DataFound:
    """What was found of the first source: a sentence for the person; `rows` is None where nobody has counted them."""

    said: str
    rows: int | None
    is_problem: bool = False


@dataclass(frozen=True)
class Plan:
    """None: not known before the run. `rates` are those of step 1, 2 ... as far as they are known."""

    data: DataFound
    train_rows: int | None
    held_out: int | None
    total_steps: int | None
    epochs: float | None
    effective_batch: int
    warmup_steps: int
    rates: Sequence[float]
    problems: tuple[Problem, ...]
    adapter: str = ""
    """What the adapter is like that the run goes on with; empty for a fresh one, and where it cannot be told."""
    on_cpu: bool = False
    """Whether it is known that the CPU would train."""


class Planner:
    """Plans recipes. A data file is read once for as long as it does not change."""

    def plan(self, recipe: Recipe, report: GpuReport | None, file: str) -> Plan:
        """The plan; without a report the machine is not asked about."""
        from cockpit.data.inputs import Inputs as Found
        from cockpit.preflight.checks import preflight
        from cockpit.preflight.devices import with_devices_counted
        from cockpit.recipe import learning_rates, schedule

        if report is not None:
            recipe = with_devices_counted(recipe, report)
        inputs = Found.of(recipe)
        data = self.data_of(inputs)
        rows = schedule.training_rows(recipe, data.rows)
        form = inputs.sources[0].form
        taken = schedule.trainer_rows(recipe, rows, form.form if form is not None else None)
        total = schedule.planned_steps(recipe, taken)
        training = recipe.training
        return Plan(
            data=data,
            train_rows=rows,
            held_out=_held_out(recipe, inputs, data.rows),
            total_steps=total,
            epochs=schedule.planned_epochs(recipe, taken),
            effective_batch=schedule.effective_batch(recipe),
            warmup_steps=learning_rates.warmup_steps(training, total) if total else training.warmup_steps,
            rates=learning_rates.learning_rates(training, total) if total and total <= DRAWN_STEPS else (),
            problems=tuple(preflight(recipe, report, file, inputs=inputs)) if report is not None else (),
            adapter=_adapter_of(recipe),
            on_cpu=report is not None and _is_on_cpu(recipe, report),
        )

    def data_of(self, inputs: Inputs) -> DataFound:
        """What stands in the first source, where it is on this disk."""
        if len(inputs.sources) > 1:
            return DataFound(f"{len(inputs.sources)} sources in one mixture", None)
        source = inputs.sources[0]
        if source.kind == "nothing":
            return DataFound("", None)
        if source.form is None:
            return DataFound(plain_line(str(source.error)), None, is_problem=True)
        rows = f"{count(source.form.rows)} rows" if source.form.rows is not None else "rows not counted"
        return DataFound(f"{source.form.form.replace('_', '/')}, {rows}", source.form.rows)


def _adapter_of(recipe: Recipe) -> str:
    from cockpit.runs.starting_adapter import StartingAdapter

    if recipe.model.adapter is None:
        return ""
    try:
        return StartingAdapter.named(recipe.model.adapter).summary
    except (ValueError, OSError):
        return ""  # told by the preflight


def _held_out(recipe: Recipe, inputs: Inputs, rows: int | None) -> int | None:
    """Of the first source's `rows`, or of a file of its own; None where that is not known."""
    from cockpit.recipe import schedule

    if recipe.data.validation is None:
        return schedule.held_out_rows(recipe, rows)
    form = inputs.validation.form if inputs.validation is not None else None
    return None if form is None or form.rows is None else min(form.rows, recipe.data.validation.max_rows or form.rows)


def _is_on_cpu(recipe: Recipe, report: GpuReport) -> bool:
    from cockpit.machine.gpu import DRIVERLESS, NONE

    try:
        return report.choose_several(recipe.hardware.gpu, recipe.hardware.gpus)[0] in (NONE, DRIVERLESS)
    except ValueError:
        return False  # told by the preflight
