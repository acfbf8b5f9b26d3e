"""The ways to train a recipe that are worth a probe, in the order in which they are tried"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cockpit.data.inputs import trains_images
from cockpit.preflight.fitting import batches, changes_of, fitting_ways, ways, with_training
from cockpit.preflight.room import GpuRoom
from cockpit.preflight.tuned import Lessons
from cockpit.recipe.document import RecipeDocument, resolved_yaml
from cockpit.recipe.problem import RecipeError
from cockpit.recipe.recipe import Recipe

SHAPES = 4
"""Ways to split a step's rows that are tried beside what fit would choose."""
MULTIPLES, JOINED_MULTIPLES = (64, 128, 256, 512), (256, 512, 1024)
WORKERS = 2
FIELDS = (
    *(f"training.{name}" for name in (
        "per_device_train_batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "padding_free",
        "pad_to_multiple_of", "packing", "group_by_length", "optim", "dataloader_num_workers",
    )),
    "model.quantization", "hardware.compile", "backend",
)  # fmt: skip
"""All that is varied."""


@dataclass(frozen=True)
class Way:
    """`marks` says what it changes beside speed and memory: such a way is never chosen unasked."""

    name: str
    recipe: Recipe
    marks: str = ""

    def settings(self, written: Recipe) -> dict[str, Any]:
        """The fields that differ from the recipe as written, by their dotted names."""
        found = {}
        for field in FIELDS:
            was, now = value_of(written, field), value_of(self.recipe, field)
            if was != now:
                found[field] = now
        return found


def value_of(recipe: Recipe, field: str) -> Any:
    """Of a dotted field."""
    value: Any = recipe
    for part in field.split("."):
        value = getattr(value, part)
    return value


def tried(
    recipe: Recipe,
    room_of: Callable[[Recipe], GpuRoom | None],
    known: Lessons,
    best: Callable[[], Recipe],
    *,
    joins: bool = False,
) -> Iterator[Way]:
    """As written first. `best` gives the fastest so far that changes nothing else: what follows varies that one.
    `joins`: whether joined rows are fast there."""
    seen: set[str] = set()

    def fresh(found: Iterator[Way]) -> Iterator[Way]:
        for way in found:
            key = resolved_yaml(way.recipe)
            if key not in seen and _is_sound(key):
                seen.add(key)
                yield way

    yield from fresh(iter([Way(f"as written, {batches(recipe.training)}", recipe)]))
    yield from fresh(_shapes(recipe, room_of, known, joins=joins))
    for vary in (_paddings, _workers):
        yield from fresh(Way(_name(recipe, one), one) for one in vary(best()))
    yield from fresh(_marked(best(), on_gpu=room_of(recipe) is not None))


def _shapes(
    recipe: Recipe, room_of: Callable[[Recipe], GpuRoom | None], known: Lessons, *, joins: bool
) -> Iterator[Way]:
    """What fit would choose, and what comes next by its arithmetic; from the largest micro-batch down where there is
    none. On the CPU nothing is compiled and memory is no matter."""
    room = room_of(recipe)
    if room is None:
        unpadded = (with_training(one, pad_to_multiple_of=None, padding_free=False) for one in ways(recipe))
        found = [one for one in unpadded if one.training.gradient_checkpointing == "none"]
    elif room.forecast is None:
        found = list(ways(recipe, joins=joins))
    else:
        found = [way for way, _ in sorted(fitting_ways(recipe, room_of, known, joins=joins), key=lambda pair: pair[1])]
    for one in found[: 1 + SHAPES]:
        yield Way(_name(recipe, one), one)


def _paddings(recipe: Recipe) -> Iterator[Recipe]:
    if recipe.training.packing or trains_images(recipe):
        return
    longest = recipe.training.max_length or recipe.model.max_seq_length
    for multiple in dict.fromkeys((*(one for one in MULTIPLES if one < longest), longest, None)):
        yield with_training(recipe, padding_free=False, pad_to_multiple_of=multiple)
    for multiple in (*JOINED_MULTIPLES, None) if recipe.kind.joins_rows else ():
        yield with_training(recipe, padding_free=True, pad_to_multiple_of=multiple)


def _workers(recipe: Recipe) -> Iterator[Recipe]:
    yield with_training(recipe, dataloader_num_workers=0 if recipe.training.dataloader_num_workers else WORKERS)


def _marked(recipe: Recipe, *, on_gpu: bool) -> Iterator[Way]:
    """What is shown and left to the person."""
    training = recipe.training
    if recipe.kind.joins_rows and not training.group_by_length and not training.packing:
        yield Way("grouped by length", with_training(recipe, group_by_length=True), "other rows in a step")
    if recipe.kind.joins_rows and not training.packing:
        packed = {"packing": True, "padding_free": False, "group_by_length": False, "pad_to_multiple_of": None}
        yield Way("packed", with_training(recipe, **packed), "more rows in a step")
    if not on_gpu:
        return
    if recipe.model.quantization != "none":
        model = recipe.model.model_copy(update={"quantization": "none"})
        yield Way("base in 16 bits", recipe.model_copy(update={"model": model}), "another precision of the base")
    if training.optim in ("adamw_8bit", "paged_adamw_8bit"):
        other = with_training(recipe, optim="adamw_torch_fused")
        yield Way("optimizer in 32 bits", other, "another precision of the optimizer")
    if recipe.hardware.compile:
        hardware = recipe.hardware.model_copy(update={"compile": False})
        yield Way("not compiled", recipe.model_copy(update={"hardware": hardware}), "other kernels")
    if recipe.backend == "unsloth":
        again = {"unsloth": "non_reentrant"}.get(training.gradient_checkpointing, training.gradient_checkpointing)
        other = with_training(recipe, gradient_checkpointing=again)
        yield Way("backend transformers", other.model_copy(update={"backend": "transformers"}), "another backend")


def _name(written: Recipe, recipe: Recipe) -> str:
    return ", ".join([batches(recipe.training), *changes_of(written.training, recipe.training)])


def _is_sound(text: str) -> bool:
    try:
        RecipeDocument.parse(text, "probe").recipe()
    except RecipeError:
        return False
    return True
