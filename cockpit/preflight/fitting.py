"""Fit: the micro-batch, checkpointing and padding that use this GPU best, for the same rows a step and the same loss"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from cockpit.preflight.memory import SPARE
from cockpit.text.numbers import size

if TYPE_CHECKING:
    from cockpit.preflight.memory import Forecast
    from cockpit.preflight.room import GpuRoom
    from cockpit.preflight.tuned import Lessons
    from cockpit.recipe.recipe import Recipe
    from cockpit.recipe.training import Training

MIB = 1 << 20
PADDED_TO = 256
"""Tokens: padding to a multiple of this makes few lengths, each of which compiles once, and wastes little."""
JOINED_TO, JOINED = 512, 0.75
"""Joined rows are padded to a multiple of so many tokens, and take about so much of the time of padded ones: 0.72 on
one H200 with Llama-3 8B in nf4 and rows of many lengths."""
LAUNCHES = 3_800 * 8e9
"""Tokens times weights of a micro-batch below which it takes no less time: that of starting its kernels. On one H200
with an 8B base in nf4: 0.38 s for 2,400 tokens where the matrices alone would take 0.24 s."""
NOT_FASTER, TENFOLD = 1.05, 9.95
"""Times as fast: less is not worth a word, and from ten on no tenths are told."""
COMPUTED_AGAIN = 4 / 3
"""Time of a micro-batch whose activations are computed again, to one that keeps them."""


@dataclass(frozen=True)
class Fitted:
    """`recipe` is what is trained here, `written` what was asked for. `why_not` says why there was nothing to choose;
    empty where there was, whatever came of it. `times`: how many times as fast it is, where that was measured here."""

    written: Recipe
    recipe: Recipe
    why_not: str = ""
    times: float | None = None

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
        parts = [f"here {batches(now)}", *changes_of(was, now)]
        if self.times is not None and self.times > NOT_FASTER:
            parts.append(f"about {self.times:.{0 if self.times >= TENFOLD else 1}f} times as fast")
        if room is not None and room.forecast is not None and room.total is not None:
            parts.append(f"{size(room.forecast.peak.total)} of {size(room.total)}")
        return f"{', '.join(parts)} (written {batches(was)})"


def fitted(
    recipe: Recipe,
    room_of: Callable[[Recipe], GpuRoom | None],
    known: Lessons | None = None,
    *,
    on_cpu: bool = False,
    joins: bool = False,
    step_s: Callable[[Recipe], float | None] = lambda _: None,
) -> Fitted:
    """What cockpit tune has found fastest here, if it fits now; else the fastest of the ways to train the same rows a
    step that fit into the GPU with room to spare, which is arithmetic on kernels, matrices and passes.

    `room_of` gives the GPU that a recipe would take here, with the forecast for it; None for the CPU (`on_cpu`) and
    where no GPU is known. `joins`: whether joined rows are fast there (Forecaster.joins). `step_s`: what a step of
    finished runs of the same work has taken there.
    """
    if recipe.training.fit == "as_written":
        return Fitted(recipe, recipe, "training.fit says so")
    plain = with_training(recipe, fit="as_written")
    room = room_of(plain)
    if (found := _answered(recipe, plain, room, room_of, known, on_cpu=on_cpu)) is not None:
        return found
    if room is None:
        return Fitted(recipe, plain, "no GPU would train it here")
    if room.forecast is None or room.free is None:
        return Fitted(recipe, plain, "what it takes of the GPU is not known")
    best, best_cost = plain, cost(plain, room.forecast)
    for way, at in fitting_ways(plain, room_of, known, joins=joins):
        if at < best_cost or (at == best_cost and best is plain):
            best, best_cost = way, at
    best = measured_as(plain, best)
    was, now = step_s(plain), step_s(best)
    return Fitted(recipe, best, times=was / now if was and now else None)


def _answered(
    recipe: Recipe, plain: Recipe, room: GpuRoom | None, room_of: Callable[[Recipe], GpuRoom | None],
    known: Lessons | None, *, on_cpu: bool,
) -> Fitted | None:  # fmt: skip
    """What cockpit tune has found here for this work, if there is room for it."""
    if known is None or (room is None and not on_cpu):
        return None
    gpu = "" if room is None else room.reading.name
    answer = known.answer(plain, gpu)
    way = None if answer is None else answer.applied(plain)
    if answer is None or way is None:
        return None
    if room is not None:
        there = room_of(way)
        if there is None or there.free is None or known.is_too_much(way, gpu, there.free):
            return None
        if there.fit != "fits" and (answer.peak_mib or inf) * MIB * SPARE > there.free:
            return None
    found = Fitted(recipe, measured_as(plain, way), times=answer.times(plain))
    return found if found.differs else Fitted(recipe, plain, "cockpit tune has found nothing faster here")


def measured_as(written: Recipe, recipe: Recipe) -> Recipe:
    """The recipe with its held-out rows in batches as written: their loss is the mean over batches."""
    rows = written.training.per_device_eval_batch_size or written.training.per_device_train_batch_size
    if not written.data.holds_out or recipe.training.per_device_train_batch_size == rows:
        return recipe
    return with_training(recipe, per_device_eval_batch_size=rows)


def fitting_ways(
    recipe: Recipe, room_of: Callable[[Recipe], GpuRoom | None], known: Lessons | None = None, *, joins: bool = False
) -> Iterator[tuple[Recipe, float]]:
    """The ways that fit into the GPU, each with the time of a step, in no unit; none that has been too much for it."""
    for way in ways(recipe, joins=joins):
        found = room_of(way)
        if found is None or found.forecast is None or found.free is None or found.fit != "fits":
            continue
        if known is None or not known.is_too_much(way, found.reading.name, found.free):
            yield way, cost(way, found.forecast)


def with_training(recipe: Recipe, **changes: object) -> Recipe:
    """The recipe with other fields of training; nothing is checked."""
    return recipe.model_copy(update={"training": recipe.training.model_copy(update=changes)})


def changes_of(was: Training, now: Training) -> list[str]:
    """In words, beside the numbers of rows."""
    parts = []
    if was.gradient_checkpointing != now.gradient_checkpointing:
        parts.append("not checkpointed" if now.gradient_checkpointing == "none" else "checkpointed")
    if (was.pad_to_multiple_of, was.padding_free) != (now.pad_to_multiple_of, now.padding_free):
        multiple = now.pad_to_multiple_of
        padded = "padded to the longest" if multiple is None else f"padded to {multiple:,}"
        joined = "joined" if multiple is None else f"joined, {padded}"
        parts.append(f"rows {joined if now.padding_free else padded}")
    if was.dataloader_num_workers != now.dataloader_num_workers:
        parts.append(f"{now.dataloader_num_workers} dataloader workers")
    return parts


def ways(recipe: Recipe, *, joins: bool = False) -> Iterator[Recipe]:
    """All that keep the rows of a step and their order, from the largest micro-batch down."""
    training = recipe.training
    again = training.gradient_checkpointing
    if again == "none":
        again = "unsloth" if recipe.backend == "unsloth" else "non_reentrant"
    rows = training.per_device_train_batch_size * training.gradient_accumulation_steps
    for micro in (number for number in range(rows, 0, -1) if rows % number == 0):
        for checkpointing in ("none", again):
            sizes = {"per_device_train_batch_size": micro, "gradient_accumulation_steps": rows // micro}
            for lengths in compiled_lengths(recipe, joins=joins):
                yield with_training(recipe, gradient_checkpointing=checkpointing, **sizes, **lengths)


def compiled_lengths(recipe: Recipe, *, joins: bool = False) -> Iterator[dict[str, object]]:
    """Ways to have few lengths, each of which compiles once. Packed rows have one length already, those with images are
    padded by their processor, and without the compiler nothing compiles."""
    from cockpit.data.inputs import trains_images

    training = recipe.training
    if training.packing or not recipe.hardware.compile or trains_images(recipe):
        yield {}
        return
    if joins and recipe.kind.joins_rows:
        yield {"padding_free": True, "pad_to_multiple_of": JOINED_TO}
    longest = training.max_length or recipe.model.max_seq_length
    yield {"padding_free": False, "pad_to_multiple_of": min(PADDED_TO, longest)}


def cost(recipe: Recipe, found: Forecast) -> float:
    """Time of an optimizer step, in no unit."""
    training = recipe.training
    passes = training.gradient_accumulation_steps * max(found.tokens * found.parameters, LAUNCHES)
    if training.padding_free and training.pad_to_multiple_of:
        passes *= JOINED
    return passes * (1 if training.gradient_checkpointing == "none" else COMPUTED_AGAIN)


def batches(training: Training) -> str:
    """`8 × 1`."""
    return f"{training.per_device_train_batch_size} × {training.gradient_accumulation_steps}"
