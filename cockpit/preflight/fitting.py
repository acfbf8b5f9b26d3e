"""Fit: the micro-batch, checkpointing and padding that use this GPU best, for the same rows a step and the same loss"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cockpit.text.numbers import size

if TYPE_CHECKING:
    from cockpit.preflight.memory import Forecast
    from cockpit.preflight.room import GpuRoom
    from cockpit.recipe.recipe import Recipe
    from cockpit.recipe.training import Training

PADDED_TO = 256
"""Tokens: padding to a multiple of this makes few lengths, each of which compiles once, and wastes little."""
LAUNCHES = 3_800 * 8e9
"""Tokens times weights of a micro-batch below which it takes no less time: that of starting its kernels. On one H200
with an 8B base in nf4: 0.38 s for 2,400 tokens where the matrices alone would take 0.24 s."""
COMPUTED_AGAIN = 4 / 3
"""Time of a micro-batch whose activations are computed again, to one that keeps them."""


@dataclass(frozen=True)
class Fitted:
    """`recipe` is what is trained here, `written` what was asked for. `why_not` says why there was nothing to choose;
    empty where there was, whatever came of it."""

    written: Recipe
    recipe: Recipe
    why_not: str = ""

    @property
    def differs(self) -> bool:
        """Whether it is trained otherwise than written."""
        return (
            with_training(self.written, fit="as_written").training
            != with_training(self.recipe, fit="as_written").training
        )

    @property
    def told(self) -> str:
        """What is told of a run that is trained otherwise than written; empty where it is as written."""
        return self.said() if self.differs else ""

    def said(self, room: GpuRoom | None = None) -> str:
        """`here 8 × 1, not checkpointed, rows padded to 256 (written 2 × 4)`; with the forecast of a `room`."""
        if self.why_not:
            return f"as written: {self.why_not}"
        was, now = self.written.training, self.recipe.training
        if not self.differs:
            return "as written: nothing faster fits"
        parts = [f"here {_batches(now)}"]
        if was.gradient_checkpointing != now.gradient_checkpointing:
            parts.append("not checkpointed")
        if (was.pad_to_multiple_of, was.padding_free) != (now.pad_to_multiple_of, now.padding_free):
            parts.append(f"rows padded to {now.pad_to_multiple_of}")
        if room is not None and room.forecast is not None and room.total is not None:
            parts.append(f"{size(room.forecast.peak.total)} of {size(room.total)}")
        return f"{', '.join(parts)} (written {_batches(was)})"


def fitted(recipe: Recipe, room_of: Callable[[Recipe], GpuRoom | None]) -> Fitted:
    """The fastest of the ways to train the same rows a step that fit into the GPU with room to spare.

    `room_of` gives the GPU that a recipe would take here, with the forecast for it; None for the CPU and where no GPU
    is known. Which way is fastest is arithmetic on kernels, matrices and passes, not a measurement on this GPU.
    """
    if recipe.training.fit == "as_written":
        return Fitted(recipe, recipe, "training.fit says so")
    plain = with_training(recipe, fit="as_written")
    room = room_of(plain)
    if room is None:
        return Fitted(recipe, plain, "no GPU would train it here")
    if room.forecast is None or room.free is None:
        return Fitted(recipe, plain, "what it takes of the GPU is not known")
    best, best_cost = plain, _cost(plain, room.forecast)
    for way in _ways(plain):
        found = room_of(way)
        if found is None or found.forecast is None or found.fit != "fits":
            continue
        cost = _cost(way, found.forecast)
        if cost < best_cost or (cost == best_cost and best is plain):
            best, best_cost = way, cost
    return Fitted(recipe, best)


def with_training(recipe: Recipe, **changes: object) -> Recipe:
    """The recipe with other fields of training; nothing is checked."""
    return recipe.model_copy(update={"training": recipe.training.model_copy(update=changes)})


def _ways(recipe: Recipe) -> Iterator[Recipe]:
    """All that keep the rows of a step and their order, from the largest micro-batch down."""
    training = recipe.training
    rows = training.per_device_train_batch_size * training.gradient_accumulation_steps
    for micro in (number for number in range(rows, 0, -1) if rows % number == 0):
        for checkpointing in dict.fromkeys(("none", training.gradient_checkpointing)):
            sizes = {"per_device_train_batch_size": micro, "gradient_accumulation_steps": rows // micro}
            yield with_training(recipe, gradient_checkpointing=checkpointing, **sizes, **_padding(recipe))


def _padding(recipe: Recipe) -> dict[str, object]:
    """Lengths that compile once. Packed rows have one length already, those with images are padded by their processor,
    and without the compiler nothing compiles."""
    from cockpit.data.inputs import trains_images

    training = recipe.training
    if training.packing or not recipe.hardware.compile or trains_images(recipe):
        return {}
    longest = training.max_length or recipe.model.max_seq_length
    return {"padding_free": False, "pad_to_multiple_of": min(PADDED_TO, longest)}


def _cost(recipe: Recipe, found: Forecast) -> float:
    """Time of an optimizer step, in no unit."""
    training = recipe.training
    passes = training.gradient_accumulation_steps * max(found.tokens * found.parameters, LAUNCHES)
    return passes * (1 if training.gradient_checkpointing == "none" else COMPUTED_AGAIN)


def _batches(training: Training) -> str:
    return f"{training.per_device_train_batch_size} × {training.gradient_accumulation_steps}"
