"""How a recipe would fare on the GPU that it would take here: whether it fits, how long it takes, the largest batch"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cockpit.data.row_lengths import KnownRows, RowLengths
from cockpit.data.rows_cache import RowsCache
from cockpit.machine.compile_cache import rows_cache_folder
from cockpit.machine.installed import torch_release
from cockpit.models.shape import ModelShape
from cockpit.preflight.devices import count_devices, with_devices_counted
from cockpit.preflight.experience import Duration, Experience, learned
from cockpit.preflight.memory import Lengths
from cockpit.preflight.room import DiskRoom, GpuRoom, disk_room, forecast_for, gpu_rooms, trains_on
from cockpit.preflight.sharing import way_that_fits
from cockpit.preflight.tuned import Lessons, lessons
from cockpit.recipe.problem import Problem, RecipeError
from cockpit.recipe.sharing import sharing_text
from cockpit.settings import Settings

JOINED_FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
"""Families whose joined rows Unsloth's own layers keep apart."""
VARLEN_SINCE, VARLEN_TORCH = (8, 0), (2, 11)
"""The compute capability and the torch that attention over joined rows needs (engine/compat/varlen.py)."""

if TYPE_CHECKING:
    from cockpit.machine.gpu import GpuReport
    from cockpit.models.folder import ModelFolder
    from cockpit.preflight.fitting import Fitted
    from cockpit.preflight.memory import Fit, Forecast
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.recipe import Recipe
    from cockpit.settings import Price


@dataclass(frozen=True)
class Outlook:
    """`room` is the GPU that the run would take; None on the CPU, and where it is not known. `found` is the forecast
    for it, or for a roomy one where there is none; None where the model's shape is not known."""

    room: GpuRoom | None
    found: Forecast | None
    duration: Duration | None
    disk: DiskRoom | None
    on_cpu: bool
    fitted: Fitted | None = None
    """How it is trained here in place of how it was written; None where training.fit is as_written. All else is told of
    what is trained."""

    price: Price | None = None
    """Of a GPU-hour, where the user has set one."""

    shared: str = ""
    """How several GPUs share the work, in words; empty where one trains."""

    rows: RowLengths | None = None
    """How long the rows are that the forecast is for; None where they are taken to be as long as they may be."""

    @property
    def cost(self) -> str | None:
        """Of the run; None where no price is set or its time is not known, and on the CPU."""
        if self.price is None or self.duration is None or self.room is None:
            return None
        return self.price.of(self.duration.seconds)

    @property
    def fit(self) -> Fit | None:
        """Whether it fits; None where that is not known, and on the CPU."""
        return None if self.room is None else self.room.fit


class Forecaster:
    """Forecasts for one recipe after another; what a model is like is read once."""

    def __init__(self) -> None:
        self._models: dict[str, ModelFolder | None] = {}
        self._experience = Experience()
        self._rows = KnownRows()
        self._lessons = Lessons()
        self._price: Price | None = None

    def learn(self) -> None:
        """Take in what runs here have taken, and how long tokenized rows are. It reads files: not for the thread that
        draws."""
        self._experience = learned()
        self._rows = known_rows()
        self._lessons = lessons()
        with suppress(ValueError):  # the app tells of it
            self._price = Settings.read().gpu_hour

    def outlook(self, recipe: Recipe, report: GpuReport | None, steps: int | None) -> Outlook:
        """Without a report the machine is not known."""
        if report is not None:
            recipe = self.settled(recipe, report)
        if recipe.training.fit == "auto":
            way = self.fitted(recipe, report)
            return replace(self.outlook(way.recipe, report, steps), fitted=way)
        return self._outlook(recipe, report, steps, self._rows.of(recipe))

    def _outlook(self, recipe: Recipe, report: GpuReport | None, steps: int | None, rows: RowLengths | None) -> Outlook:
        from cockpit.data.inputs import trains_images

        model, images = self._model(recipe.model.name_or_path), trains_images(recipe)
        lengths = lengths_of(rows)
        room = None
        place = None if report is None else trains_on(recipe, report)
        if report is not None and place:
            rooms = gpu_rooms(recipe, model, report, lengths=lengths, images=images, experience=self._experience)
            chosen = [one for one in rooms if one.chosen]
            room = min(chosen, key=lambda one: one.free or 0, default=None)  # the fullest one decides
        found = room.forecast if room is not None else forecast_for(recipe, model, lengths=lengths, images=images)
        gpu = room.reading.name if room is not None else ""
        duration = None if place is None else self._experience.duration(recipe, steps, gpu, lengths=lengths)
        disk = None if found is None else disk_room(recipe, found, steps)
        return Outlook(
            room, found, duration, disk, on_cpu=place == "", price=self._price, rows=rows, shared=sharing_text(recipe)
        )

    def settled(self, recipe: Recipe, report: GpuReport) -> Recipe:
        """The recipe with the number of this machine's GPUs where it says `all`, and the way that they share the work
        in where it says `auto`; nothing is checked."""

        def fits(way: Recipe) -> bool | None:
            found = self.outlook(way, report, None).fit
            return None if found is None else found == "fits"

        return way_that_fits(with_devices_counted(recipe, report), fits)

    def fitted(self, recipe: Recipe, report: GpuReport | None) -> Fitted:
        """The recipe as it would be trained here, rows taken to be as long as they may be: the same at the first start
        and at the next, when they are known."""
        from cockpit.preflight.fitting import fitted

        place = None if report is None else trains_on(recipe, report)
        room = None if report is None else self.room(recipe, report)
        gpu = "" if room is None else room.reading.name
        return fitted(
            recipe,
            lambda way: None if report is None else self.room(way, report),
            self._lessons,
            on_cpu=place == "",
            joins=report is not None and self.joins(recipe, report),
            step_s=lambda way: self._experience.step_s(way, gpu),
        )

    def joins(self, recipe: Recipe, report: GpuReport) -> bool:
        """Whether joined rows are fast: Unsloth's own layers keep them apart, by one kernel a layer that torch has for
        GPUs from Ampere on."""
        model = self._model(recipe.model.name_or_path)
        shape = None if model is None else ModelShape.of(model.config)
        place = trains_on(recipe, report)
        if recipe.backend != "unsloth" or shape is None or shape.family not in JOINED_FAMILIES or not place:
            return False
        return report.capabilities.get(place, (0, 0)) >= VARLEN_SINCE and torch_release() >= VARLEN_TORCH

    def room(self, recipe: Recipe, report: GpuReport, *, as_tokenized: bool = False) -> GpuRoom | None:
        """The GPU that it would take, and the forecast for it; None on the CPU. Rows are taken to be as long as they
        may be, or `as_tokenized`, as long as they were when they were last tokenized here."""
        return self._outlook(recipe, report, None, self._rows.of(recipe) if as_tokenized else None).room

    def largest_batch(self, recipe: Recipe, report: GpuReport) -> tuple[int, int] | None:
        """Rows of the largest micro-batch that fits, and how many of them make a step of as many rows as now; None
        where no micro-batch fits or it is not known."""
        from cockpit.preflight.fitting import with_training

        training = recipe.training
        rows = training.per_device_train_batch_size * training.gradient_accumulation_steps
        for micro in (size for size in range(rows, 0, -1) if rows % size == 0):
            sizes = {"per_device_train_batch_size": micro, "gradient_accumulation_steps": rows // micro}
            if self.outlook(with_training(recipe, fit="as_written", **sizes), report, None).fit == "fits":
                return micro, rows // micro
        return None

    def _model(self, name: str) -> ModelFolder | None:
        from cockpit.models.published import described

        if name not in self._models:
            self._models[name] = described(name)
        return self._models[name]


def known_rows() -> KnownRows:
    """What is known of rows that were tokenized here."""
    return KnownRows.read(RowsCache(rows_cache_folder(), 0))


def lengths_of(rows: RowLengths | None) -> Lengths | None:
    """As the forecast of memory takes them."""
    return None if rows is None else Lengths(rows.longest, rows.mean, rows.alike)


def settle(document: RecipeDocument, report: GpuReport, nodes: int = 1) -> Recipe:
    """The document's recipe with all that depends on this machine's GPUs put into it: how many they are where it says
    `all`, and the way that they share the work in where it says `auto`. A run keeps both. `nodes`: how many machines
    are started. Raises RecipeError."""
    recipe = count_devices(document, report)
    if recipe.hardware.nodes != nodes:
        wrong = f"{recipe.hardware.nodes} machines are to train together, and one is started here"
        right = "run cockpit train --nodes N --rdzv HOST:PORT on each, or cockpit slurm; or give 1"
        line = document.line("hardware.nodes")
        raise RecipeError([Problem(document.file, line, "hardware.nodes", wrong, right)])
    if recipe.hardware.parallel == "auto" and recipe.hardware.ranks > 1:
        forecaster = Forecaster()
        forecaster.learn()
        found = forecaster.settled(recipe, report)
        document.set("hardware.parallel", found.hardware.parallel)
        if found.training.gradient_accumulation_steps != recipe.training.gradient_accumulation_steps:
            document.set("training.gradient_accumulation_steps", found.training.gradient_accumulation_steps)
    return document.recipe()


def fitted_here(recipe: Recipe, report: GpuReport) -> Fitted:
    """The recipe as it is trained on this machine. What runs here have taken is read where there is a choice."""
    forecaster = Forecaster()
    if recipe.training.fit == "auto":
        forecaster.learn()
    return forecaster.fitted(recipe, report)
