"""cockpit plan: what a recipe would do on this machine, and whether it fits; nothing is loaded or started."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cockpit.cli.ending import refuse
from cockpit.cli.recipe_args import asked_for, blamed
from cockpit.cli.recipe_options import OnData, RecipeName, Settings, WithModel

if TYPE_CHECKING:
    from cockpit.data.row_lengths import RowLengths
    from cockpit.models.folder import ModelFolder
    from cockpit.preflight.experience import Duration
    from cockpit.preflight.fitting import Fitted
    from cockpit.preflight.memory import Forecast, Moment
    from cockpit.preflight.plan import Plan
    from cockpit.preflight.room import DiskRoom, GpuRoom
    from cockpit.protocol.events import Holder
    from cockpit.recipe.problem import Problem
    from cockpit.recipe.recipe import Recipe
    from cockpit.settings import Price

SIGNS = {"fits": "✓ fits", "tight": "▲ tight", "does not fit": "✗ does not fit", None: "– not known"}
PHASES = {"load": "loading", "step": "training", "evaluation": "evaluating", "answers": "answering", "save": "saving"}
BAR_CELLS = 30


@dataclass(frozen=True)
class Planned:
    """All that is told of a recipe on this machine. `found` is the forecast for the GPU that the run would take."""

    name: str
    recipe: Recipe
    model: ModelFolder | None
    plan: Plan
    trains_on: str | None
    """UUID; empty for the CPU, None where the recipe names a GPU that is not there."""
    found: Forecast | None
    gpus: list[GpuRoom]
    disk: DiskRoom | None
    fitted: Fitted
    """How it is trained on this machine: `recipe` is that, not what was written."""
    duration: Duration | None
    """None where no run of the same work was measured on that GPU."""
    price: Price | None
    """Of a GPU-hour, where the user has set one."""
    rows: RowLengths | None
    """How long the rows are; None where they were not tokenized here."""

    @property
    def cost(self) -> str | None:
        """Of the run, where its time is known and a price is set; None on the CPU too."""
        if self.price is None or self.duration is None or not self.trains_on:
            return None
        return self.price.of(self.duration.seconds)

    @property
    def tokens(self) -> int | None:
        """Of an optimizer step, at most."""
        found, training = self.found, self.recipe.training
        return (
            None if found is None else found.tokens * training.gradient_accumulation_steps * self.recipe.hardware.ranks
        )


def plan(
    recipe: RecipeName,
    data: OnData = None,
    model: WithModel = None,
    settings: Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as one JSON document.")] = False,
) -> None:
    """Say what a recipe would do here: steps, GPU memory part by part against what each GPU has free, and the disk.

    Exit status: 0 it can start, as far as is known; 1 something stands in its way; 2 the recipe or a setting is wrong.
    """
    from cockpit.settings import Settings

    document, resolved = asked_for(recipe, data, model, settings or [])
    try:
        price = Settings.read().gpu_hour
    except ValueError as error:
        refuse([str(error)])
    planned = planned_for(resolved, document.name, document.file, price)
    problems = [blamed(problem, data, model, settings or []) for problem in planned.plan.problems]
    if as_json:
        print(json.dumps(_plain(planned, problems), indent=2))
    else:
        _print(planned, problems)
    chosen = next((gpu for gpu in planned.gpus if gpu.chosen), None)
    if problems or (chosen is not None and chosen.fit == "does not fit"):
        raise typer.Exit(1)


def planned_for(recipe: Recipe, name: str, file: str, price: Price | None = None) -> Planned:
    """Look at the machine, and forecast."""
    from cockpit.data.inputs import trains_images
    from cockpit.machine.gpu import GpuProbe
    from cockpit.models.published import described
    from cockpit.preflight.experience import learned
    from cockpit.preflight.outlook import Forecaster, fitted_here, known_rows, lengths_of
    from cockpit.preflight.plan import Planner
    from cockpit.preflight.room import disk_room, forecast_for, gpu_rooms, trains_on

    probe = GpuProbe()
    model = described(recipe.model.name_or_path)
    images = trains_images(recipe)
    report = probe.wait()
    forecaster = Forecaster()
    forecaster.learn()
    recipe = forecaster.settled(recipe, report)
    plan = Planner().plan(recipe, report, file)
    experience = learned()
    found_way = fitted_here(recipe, report)
    recipe = found_way.recipe
    rows = known_rows().of(recipe)
    lengths = lengths_of(rows)
    gpus = gpu_rooms(recipe, model, report, lengths=lengths, images=images, experience=experience)
    chosen = next((gpu for gpu in gpus if gpu.chosen), None)
    found = chosen.forecast if chosen is not None else forecast_for(recipe, model, lengths=lengths, images=images)
    disk = None if found is None else disk_room(recipe, found, plan.total_steps)
    place = trains_on(recipe, report)
    gpu = chosen.reading.name if chosen is not None else ""
    duration = None if place is None else experience.duration(recipe, plan.total_steps, gpu, lengths=lengths)
    return Planned(name, recipe, model, plan, place, found, gpus, disk, found_way, duration, price, rows)


def _plain(planned: Planned, problems: list[Problem]) -> dict[str, Any]:
    """As JSON holds it; sizes are bytes, null is not known."""
    recipe, found, disk = planned.recipe, planned.found, planned.disk
    training = recipe.training
    return {
        "recipe": planned.name,
        "model": {
            "name_or_path": recipe.model.name_or_path,
            "here": planned.model is not None and bool(planned.model.weights),
            "quantization": recipe.model.quantization,
            "parameters": found and found.parameters,
        },
        "trainable_parameters": found and found.trainable,
        "rows": planned.plan.train_rows,
        "held_out_rows": planned.plan.held_out,
        "row_tokens": planned.rows
        and {"longest": planned.rows.longest, "mean": round(planned.rows.mean, 1), "rows": planned.rows.rows},
        "steps": planned.plan.total_steps,
        "epochs": planned.plan.epochs,
        "per_device_train_batch_size": training.per_device_train_batch_size,
        "gradient_accumulation_steps": training.gradient_accumulation_steps,
        "devices": recipe.hardware.gpus,
        "parallel": recipe.hardware.parallel if recipe.hardware.gpus > 1 else None,
        "gradient_checkpointing": training.gradient_checkpointing,
        "fitted": planned.fitted.told or None,
        "times_as_fast": planned.fitted.times and round(planned.fitted.times, 2),
        "tokens_per_step_at_most": planned.tokens,
        "on_cpu": planned.trains_on == "",
        "duration_s": planned.duration and round(planned.duration.seconds, 1),
        "cost": planned.cost,
        "memory": found and _memory(found),
        "gpus": [_gpu(gpu) for gpu in planned.gpus],
        "disk": disk
        and {
            "checkpoint": disk.checkpoint,
            "checkpoints_kept": disk.kept,
            "result": disk.result,
            "needed": disk.needed,
            "merged_16bit": disk.merged,
            "free": disk.free,
        },
        "problems": [str(problem) for problem in problems],
    }


def _memory(found: Forecast) -> dict[str, Any]:
    moments = {moment.phase: {"total": moment.total, "parts": dict(moment.parts)} for moment in found.moments}
    return {"peak": found.peak.total, "phase": found.peak.phase, "largest": found.peak.largest, "phases": moments}


def _gpu(gpu: GpuRoom) -> dict[str, Any]:
    return {
        "index": gpu.reading.index,
        "uuid": gpu.reading.uuid,
        "name": gpu.reading.name,
        "total": gpu.total,
        "free": gpu.free,
        "chosen": gpu.chosen,
        "fit": gpu.fit,
        "peak": gpu.forecast and gpu.forecast.peak.total,
        "corrected": gpu.correction
        and {
            "factor": round(gpu.correction.factor, 4),
            "runs": gpu.correction.runs,
            "same_model": gpu.correction.same_model,
        },
        "holders": [
            {"pid": one.pid, "name": one.name, "held": None if one.mib is None else round(one.mib * 2**20)}
            for one in gpu.holders
        ],
    }


def _print(planned: Planned, problems: list[Problem]) -> None:
    from rich.console import Console
    from rich.text import Text

    from cockpit.text.plain_text import plain_text

    console = Console(highlight=False, soft_wrap=True)
    for name, value in _lines(planned):
        console.print(Text.assemble((f"{name:<9}", "dim"), value))
    for problem in problems:
        console.print(Text(f"✗ {plain_text(str(problem))}", "bold red"))


def _lines(planned: Planned) -> Iterator[tuple[str, str]]:
    """Name and value of each line."""
    from cockpit.recipe.schedule import batches_text, rows_name
    from cockpit.recipe.sharing import sharing_text
    from cockpit.text.numbers import big_count, count, percent, size
    from cockpit.text.plain_text import plain_line

    recipe, found = planned.recipe, planned.found
    yield "recipe", plain_line(": ".join(filter(None, (planned.name, recipe.about.title))))
    settings = recipe.model
    here = "" if planned.model is not None and planned.model.weights else ", not on this disk yet"
    held = "in 16 bits" if settings.quantization == "none" else f"as {settings.quantization}"
    weights = f", {big_count(found.parameters)} weights {held}" if found else f" {held}"
    yield "model", f"{plain_line(settings.name_or_path)}{weights}{here}"
    if found:
        kind = f"an adapter of rank {recipe.lora.r}" if recipe.finetuning_type == "lora" else "every weight"
        share = found.trainable / found.parameters
        yield (
            "trains",
            f"{kind}: {big_count(found.trainable)} weights, {f'{100 * share:.1f} %' if share < 1 else percent(1)}",
        )
    batch = batches_text(recipe, "x")
    most = f", {count(planned.tokens)} tokens at most" if planned.tokens else ""
    yield recipe.kind.unit, _rows_text(planned.rows, recipe)
    steps = f"{count(planned.plan.total_steps)} of {batch} {rows_name(recipe)}"
    yield "steps", f"{steps}{most}{_epochs(planned.plan, recipe.kind.unit)}"
    if shared := sharing_text(recipe):
        yield "shared", shared
    if planned.fitted.written.training.fit == "auto":
        chosen = next((gpu for gpu in planned.gpus if gpu.chosen), None)
        yield "fit", planned.fitted.said(chosen)
    yield from _memory_lines(planned)
    if planned.disk:
        disk = planned.disk
        kept = f"{count(disk.kept)} checkpoint{'' if disk.kept == 1 else 's'} of {size(disk.checkpoint)}"
        needed = f"{size(disk.needed)}: {kept}, the result {size(disk.result)}" if disk.kept else size(disk.result)
        sign = "✗ " if disk.free is not None and (disk.needed or disk.result) > disk.free else ""
        yield "disk", f"{sign}{needed}; merged in 16 bits {size(disk.merged)} more; {size(disk.free)} free"
    yield "time", _time_text(planned.duration)
    if planned.cost is not None:
        yield "cost", f"about {planned.cost}, at {planned.price}"


def _rows_text(known: RowLengths | None, recipe: Recipe) -> str:
    from cockpit.text.numbers import count

    limit = min(recipe.training.max_length or recipe.model.max_seq_length, recipe.model.max_seq_length)
    if known is None:
        return f"taken to have {count(limit)} tokens each, as they have not been tokenized here yet"
    longest = f"{count(known.longest)} at most"
    found = f"{count(known.rows)} {recipe.kind.unit}"
    return f"{count(known.mean)} tokens on average, {longest}, as the {found} were tokenized here"


def _time_text(known: Duration | None) -> str:
    from cockpit.text.numbers import UNKNOWN, duration

    if known is None:
        return f"{UNKNOWN} no run of the same work has been measured here"
    return f"about {duration(known.seconds)}, {known.said()}"


def _epochs(plan: Plan, unit: str) -> str:
    from cockpit.text.numbers import count

    if plan.epochs is None or not plan.train_rows:
        return ""
    return f"; {plan.epochs:.3g} epochs over {count(plan.train_rows)} {unit}"


def _memory_lines(planned: Planned) -> Iterator[tuple[str, str]]:
    from cockpit.text.numbers import size
    from cockpit.text.plain_text import plain_line

    found = planned.found
    if planned.trains_on == "":
        yield "memory", "the CPU would train, whose memory is not forecast"
        if found:
            yield "", f"on a GPU it would take {size(found.peak.total)}"
        return
    if found is None:
        yield "memory", "– not known: nobody has taught cockpit the shape of this model"
    else:
        peak = found.peak
        yield "memory", f"{size(peak.total)} at most, while {PHASES[peak.phase]}; the largest part: {peak.largest}"
        for part, value in _parts(peak):
            yield "", f"{part:<12}{value}"
        phases = (f"{PHASES[moment.phase]} {size(moment.total)}" for moment in found.moments)
        yield "", ", ".join(phases)
        corrected = next((gpu.correction for gpu in planned.gpus if gpu.chosen and gpu.correction), None)
        if corrected:
            yield "", f"corrected: {corrected.said()}"
    for gpu in planned.gpus:
        free = f"{size(gpu.free)} of {size(gpu.total)} free"
        mark = ", this run's" if gpu.chosen and len(planned.gpus) > 1 else ""
        yield f"GPU {gpu.reading.index}", f"{SIGNS[gpu.fit]}: {plain_line(gpu.reading.name)}, {free}{mark}"
        if gpu.fit != "fits" and gpu.holders:
            names = (f"{plain_line(one.name) or 'a process'} ({one.pid}) {_held(one)}" for one in gpu.holders)
            alone = "; alone it would fit" if gpu.fit_alone == "fits" else ""
            yield "", f"held by {', '.join(names)}{alone}"


def _held(holder: Holder) -> str:
    from cockpit.text.numbers import size

    return size(None if holder.mib is None else holder.mib * 2**20)


def _parts(moment: Moment) -> Iterator[tuple[str, str]]:
    """Each part that takes anything: its size, and a bar as long as its share."""
    from cockpit.preflight.memory import PARTS
    from cockpit.text.numbers import size

    for part in PARTS:
        if held := moment.parts.get(part, 0):
            yield part, f"{size(held):>9}  {'▇' * max(1, round(held / moment.total * BAR_CELLS))}"
