"""What a recipe will take of this machine: of each GPU, beside whoever else holds memory there, and of the disk"""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.disk import free_bytes
from cockpit.machine.gpu import DRIVERLESS, NONE, GpuReport
from cockpit.models.folder import ModelFolder
from cockpit.models.shape import ModelShape
from cockpit.paths import home
from cockpit.preflight.adapter import going_on
from cockpit.preflight.devices import with_devices_counted
from cockpit.preflight.experience import Correction, Experience
from cockpit.preflight.memory import Device, Fit, Forecast, Lengths, fit, forecast
from cockpit.protocol.events import GpuReading, Holder
from cockpit.recipe.checkpoints import checkpoint_plan
from cockpit.recipe.recipe import Recipe

ANY_GPU = Device(80 << 30, 80 << 30)
"""Where there is no GPU to ask: enough for whatever depends on what is free."""


@dataclass(frozen=True)
class GpuRoom:
    """One GPU, and the forecast for it: None where the model's shape is not known. `fit` is None where either that or
    what is free is not known. `chosen`: the run would take this one."""

    reading: GpuReading
    holders: tuple[Holder, ...]
    forecast: Forecast | None
    chosen: bool
    correction: Correction | None = None
    """By which earlier runs here have changed the forecast."""

    @property
    def total(self) -> int | None:
        """Bytes."""
        return _bytes(self.reading.vram_total_mib)

    @property
    def free(self) -> int | None:
        """Bytes."""
        used = self.reading.vram_used_mib
        return None if self.total is None or used is None else self.total - round(used * 2**20)

    @property
    def fit(self) -> Fit | None:
        """Whether the run fits beside those who hold memory now."""
        return None if self.forecast is None or self.free is None else self.forecast.fit(self.free)

    @property
    def fit_alone(self) -> Fit | None:
        """Whether it would fit if nobody else held any."""
        return None if self.forecast is None or self.total is None else fit(self.forecast.peak.total, self.total)


@dataclass(frozen=True)
class DiskRoom:
    """Bytes on the disk that holds the runs. `kept`: checkpoints that lie there at once, None where not known."""

    checkpoint: int
    kept: int | None
    result: int
    merged: int
    """Of the whole model with the adapter merged in, in 16 bits, should it be exported."""
    free: int | None

    @property
    def needed(self) -> int | None:
        """For the run itself; an export comes on top."""
        return None if self.kept is None else self.kept * self.checkpoint + self.result


def forecast_for(
    recipe: Recipe, model: ModelFolder | None, device: Device = ANY_GPU, *, lengths: Lengths | None = None,
    images: bool = False,
) -> Forecast | None:  # fmt: skip
    """The forecast for a recipe whose model is `model`; None where its shape is not known. An adapter that it goes on
    with is as large as it is."""
    shape = None if model is None else ModelShape.of(model.config)
    if model is None or shape is None:
        return None
    return forecast(shape, going_on(recipe), device, lengths=lengths, quantized=model.quantized, images=images)


def gpu_rooms(
    recipe: Recipe, model: ModelFolder | None, report: GpuReport, *, lengths: Lengths | None = None,
    images: bool = False, experience: Experience | None = None,
) -> list[GpuRoom]:  # fmt: skip
    """Every GPU that the run could take, in the driver's order; forecasts as `experience` has corrected them. Where the
    same work was measured, that counts for more than the rows' `lengths`."""
    chosen = all_places(recipe, report) or ()
    rooms = []
    for reading in report.visible():
        total, used = _bytes(reading.vram_total_mib), _bytes(reading.vram_used_mib)
        device = ANY_GPU if total is None or used is None else Device(total, total - used)
        was_measured = experience is not None and experience.has_measured(recipe, reading.name)
        told = None if was_measured else lengths
        found = forecast_for(recipe, model, device, lengths=told, images=images)
        known = None
        if found is not None and model is not None and experience is not None:
            found, known = experience.corrected(found, recipe, model, reading.name, lengths_known=told is not None)
        holders = tuple(report.holders.get(reading.uuid, ()))
        rooms.append(GpuRoom(reading, holders, found, reading.uuid in chosen, known))
    return rooms


def trains_on(recipe: Recipe, report: GpuReport) -> str | None:
    """UUID of the GPU that the run would take, or of the first of several; empty for the CPU, None where the recipe
    names one that is not there."""
    places = all_places(recipe, report)
    return None if places is None else next(iter(places), "")


def all_places(recipe: Recipe, report: GpuReport) -> tuple[str, ...] | None:
    """UUIDs of all GPUs that the run would take; none for the CPU, None where it names one that is not there."""
    try:
        chosen = report.choose_several(recipe.hardware.gpu, with_devices_counted(recipe, report).hardware.gpus)
    except ValueError:
        return None
    return () if chosen[0] in (NONE, DRIVERLESS) else chosen


def disk_room(recipe: Recipe, found: Forecast, steps: int | None) -> DiskRoom:
    """What a run of `steps` steps leaves on the disk."""
    every, at_most = checkpoint_plan(recipe)
    kept: int | None = 0
    if every is not None:
        written = None if steps is None else -(-steps // every)
        kept = min((one for one in (written, at_most) if one is not None), default=None)
    return DiskRoom(found.checkpoint, kept, found.result, 2 * found.parameters, free_bytes(home()))


def _bytes(mib: float | None) -> int | None:
    return None if mib is None else round(mib * 2**20)
