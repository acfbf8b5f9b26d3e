"""How much GPU memory a run will take, phase by phase and part by part, told before anything is loaded.

Arithmetic on a model's shape and a recipe; no weights, no torch. A forecast takes well under a millisecond, so that
hundreds of alternatives can be compared. How far it was off where it was measured: docs/memory.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from cockpit.models.shape import ModelShape
from cockpit.preflight.activations import FUSED_FAMILIES, Batch, Passing, evaluating, passing
from cockpit.preflight.answers import answers, drawn
from cockpit.preflight.sharing import gathered, held_by_each, passing_each
from cockpit.preflight.weights import Held, held
from cockpit.recipe.recipe import Recipe

Part = Literal[
    "weights", "adapter", "gradients", "optimizer", "activations", "logits", "buffers", "allocator", "context"
]
PARTS: tuple[Part, ...] = (
    "weights", "adapter", "gradients", "optimizer", "activations", "logits", "buffers", "allocator", "context",
)  # fmt: skip
Phase = Literal["load", "step", "evaluation", "answers", "save"]
Fit = Literal["fits", "tight", "does not fit"]

FORMULA = 3
"""Counts changes of the arithmetic: what was learned of an older one says nothing of this one."""
HOLES, HOLES_IN_KEPT = 0.12, 0.01
"""Memory between blocks that nothing fits into: as a share of what comes and goes within a layer, and of what all
layers keep, which is filled once and in one order."""
CONTEXT = {"transformers": 765 << 20, "fused": 840 << 20, "compiled": 1010 << 20}
"""CUDA, its libraries and the kernels that a run has loaded, on one H200; compiled models have the most kernels."""
NCCL = 400 << 20
"""What talking to other GPUs takes of each, for channels and buffers; not measured here."""
SPARE, CLOSE = 1.08, 0.97
"""A forecast that fits with this much to spare fits; one that is over by no more than it may be off is tight."""


@dataclass(frozen=True)
class Device:
    """A GPU: bytes in all, and bytes that nobody else holds."""

    total: int
    free: int


@dataclass(frozen=True)
class Lengths:
    """How long the rows are, in tokens as they are trained: the longest one and the mean. `alike`: all equally long."""

    longest: int
    mean: float
    alike: bool = False


@dataclass(frozen=True)
class Moment:
    """The fullest moment of a phase. `parts` are bytes and add up to `total`."""

    phase: Phase
    parts: Mapping[Part, int]

    @property
    def total(self) -> int:
        """Bytes."""
        return sum(self.parts.values())

    @property
    def largest(self) -> Part:
        """The part that takes most."""
        return max(self.parts, key=lambda part: self.parts[part])


@dataclass(frozen=True)
class Forecast:
    """What a run will take. `tokens`: of a micro-batch, padding counted in; `trainable`: weights that are trained, of
    `parameters` in all. `result` and `checkpoint`: bytes on the disk of what is saved in the end, and of a checkpoint.
    """

    moments: tuple[Moment, ...]
    tokens: int
    trainable: int
    parameters: int
    result: int
    checkpoint: int

    @property
    def peak(self) -> Moment:
        """The fullest moment of all."""
        return max(self.moments, key=lambda moment: moment.total)

    def scaled(self, factor: float) -> Forecast:
        """With every part so many times as large."""
        moments = (
            Moment(one.phase, {part: round(factor * size) for part, size in one.parts.items()}) for one in self.moments
        )
        return replace(self, moments=tuple(moments))

    def fit(self, free: int) -> Fit:
        """Whether the peak goes into `free` bytes."""
        return fit(self.peak.total, free)


def fit(needed: int, free: int) -> Fit:
    """Whether `needed` bytes go into `free` ones, as sure as a forecast is."""
    if needed * SPARE <= free:
        return "fits"
    return "tight" if needed * CLOSE <= free else "does not fit"


def forecast(
    config: Mapping[str, Any] | ModelShape,
    recipe: Recipe,
    device: Device,
    *,
    lengths: Lengths | None = None,
    quantized: str = "",
    images: bool = False,
) -> Forecast | None:
    """The memory of a run of `recipe` on one GPU; None for a model whose shape nobody has taught it.

    `config` is the model's config.json, or its shape where many recipes of one model are asked for. Without `lengths`
    every row is taken to be as long as the recipe lets it be. `quantized`: how the model's files are quantised already
    (ModelFolder.quantized). `images`: the rows have images.
    """
    shape = config if isinstance(config, ModelShape) else ModelShape.of(config)
    if shape is None:
        return None
    quantization = recipe.model.quantization
    if quantized in ("nf4", "fp4"):
        quantization = "nf4"
    elif quantized == "int8":
        quantization = "int8"
    whole = held(shape, recipe, quantization, images=images)
    holding, together = held_by_each(whole, recipe), gathered(whole, shape, recipe)
    context = context_bytes(shape, recipe)
    static = holding.weights + holding.adapter + holding.gradients + holding.optimizer
    free = device.free - static - context - together
    batch = batch_of(recipe, recipe.training.per_device_train_batch_size, lengths, images=images)
    # DDP has a second copy of the gradients, in the buckets that GPUs exchange.
    copied = holding.gradients if recipe.hardware.ranks > 1 and not recipe.hardware.is_sharded else 0
    step = passing_each(passing(shape, recipe, quantization, batch, holding, free - copied), recipe)
    moments = [
        # What is quantised comes whole to each GPU, and is shared then.
        _load(shape, recipe, whole if recipe.hardware.is_sharded and quantization != "none" else holding, context),
        _with_buffers(_step(holding, step, context, copied), together),
    ]
    if recipe.data.holds_out:
        rows = recipe.training.per_device_eval_batch_size or recipe.training.per_device_train_batch_size
        tested = evaluating(shape, recipe, quantization, batch_of(recipe, rows, lengths, images=images), holding, free)
        moments.append(_with_buffers(_moment("evaluation", holding, tested, context, gradients=0), together))
    if recipe.method == "grpo":
        longest = batch_of(recipe, 1, None).length
        made = drawn(shape, recipe, quantization, longest, holding, device.total)
        moments.append(_moment("answers", holding, made, context, gradients=0))
    asks_one = recipe.hardware.is_sharded and bool(recipe.samples.prompts)
    if recipe.evaluation.answers or asks_one:
        given = Passing(0, 0, 0, 0)
        if recipe.evaluation.answers:
            longest = batch_of(recipe, 1, lengths).length
            given = answers(shape, recipe, quantization, longest, holding, free)
        # One rank answers, and has all weights then.
        answering = replace(holding, weights=whole.weights) if recipe.hardware.is_sharded else holding
        moments.append(_moment("answers", answering, given, context, gradients=0))
    moments.append(_moment("save", holding, Passing(0, 0, 0, 0), context, gradients=0))
    return Forecast(tuple(moments), batch.tokens, whole.trainable, shape.parameters, whole.result, whole.checkpoint)


def batch_of(recipe: Recipe, rows: int, lengths: Lengths | None, *, images: bool = False) -> Batch:
    """The largest micro-batch of `rows` rows that the run will meet, of pairs with both answers of each; with `images`,
    one to a row."""
    training, rows = recipe.training, rows * recipe.kind.sequences
    limit = min(training.max_length or recipe.model.max_seq_length, recipe.model.max_seq_length)
    longest = limit if lengths is None else min(limit, lengths.longest)
    if images:
        return Batch(rows, longest, masked=rows > 1, images=rows)
    if training.packing:
        return Batch(rows, limit, masked=False)
    if training.padding_free:
        joined = rows * longest
        if lengths is not None and not lengths.alike:
            # Rows of very different lengths: two in three are shorter than the mean, and few batches are twice as long.
            joined = min(joined, round(max(longest, lengths.mean * (rows + 2 * rows**0.5))))
        joined = -(-joined // (training.pad_to_multiple_of or 1)) * (training.pad_to_multiple_of or 1)
        return Batch(1, joined, masked=recipe.backend == "transformers" and rows > 1)
    if multiple := training.pad_to_multiple_of:
        longest = -(-longest // multiple) * multiple
    return Batch(rows, longest, masked=rows > 1 and not (lengths is not None and lengths.alike))


def context_bytes(shape: ModelShape, recipe: Recipe) -> int:
    """What the process takes before and beside all tensors."""
    together = NCCL if recipe.hardware.ranks > 1 else 0
    if recipe.backend == "transformers":
        return together + CONTEXT["transformers"]
    return together + CONTEXT["fused" if shape.family in FUSED_FAMILIES else "compiled"]


def _load(shape: ModelShape, recipe: Recipe, holding: Held, context: int) -> Moment:
    """Weights come in one matrix at a time; those that are quantised on the way come in 16 bits, and plain peft makes
    32-bit embeddings of 16-bit ones."""
    largest = holding.largest
    if largest and recipe.backend == "transformers":
        largest = max(largest, shape.vocabulary * shape.hidden)
    return Moment("load", {"weights": holding.weights, "buffers": 2 * largest, "context": context})


def _with_buffers(moment: Moment, more: int) -> Moment:
    """The moment with so many bytes more that stay while it lasts."""
    return replace(moment, parts={**moment.parts, "buffers": moment.parts["buffers"] + more}) if more else moment


def _step(holding: Held, step: Passing, context: int, copied: int) -> Moment:
    """Forward and backward pass, or the optimizer's own work where that takes more. `copied`: of the gradients."""
    moment = _moment("step", holding, step, context, gradients=holding.gradients + copied)
    coming = moment.parts["activations"] + moment.parts["logits"] + moment.parts["allocator"]
    if holding.update <= coming:
        return moment
    changed: dict[Part, int] = {
        "activations": 0,
        "logits": 0,
        "allocator": 0,
        "optimizer": holding.optimizer + holding.update,
    }
    return Moment("step", {**moment.parts, **changed})


def _moment(phase: Phase, holding: Held, step: Passing, context: int, *, gradients: int) -> Moment:
    """Either a layer or the loss is at work at the fullest moment, whichever takes more."""
    at_loss = step.loss > step.layer
    coming = max(step.layer, step.loss) + step.buffers
    parts: dict[Part, int] = {
        "weights": holding.weights,
        "adapter": holding.adapter,
        "gradients": gradients,
        "optimizer": holding.optimizer,
        "activations": step.kept + (0 if at_loss else step.layer),
        "logits": step.loss if at_loss else 0,
        "buffers": step.buffers,
        "allocator": round(HOLES * (coming + gradients) + HOLES_IN_KEPT * step.kept),
        "context": context,
    }
    return Moment(phase, parts)
