"""What cockpit tune has found fastest on a GPU here, and what has run out of memory there although it was forecast to
fit.

Kept in one small file of the cache folder. An answer holds for the same work (experience.task_of) on a GPU of the same
name with the same versions of the stack.
"""

from __future__ import annotations

import json
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.machine.compile_cache import compile_cache
from cockpit.preflight.experience import FITTED, STACK, task_of
from cockpit.protocol.values import UNREADABLE, Amount
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.training import Training

FILE, LIMIT_BYTES, KEPT = "tuned.json", 1 << 20, 400
MIB, ABOUT = 1 << 20, 1.02
CHOSEN = frozenset(FITTED) - {"fit"}
"""The fields of an answer."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The fastest way: `settings` of the training, useful tokens per second with it and as it was written then
    (`written` is way_of that; None where it was not measured), and MiB that it took of the GPU. `gpu` is empty for the
    CPU."""

    task: str
    gpu: str
    versions: str
    settings: dict[str, bool | int | str | None]
    tokens_s: Amount
    written: str = ""
    written_tokens_s: Amount | None = None
    peak_mib: Amount | None = None

    def times(self, recipe: Recipe) -> float | None:
        """How many times as fast as `recipe`; None where that is not what was measured as written."""
        if not self.written_tokens_s or self.written != way_of(recipe.training):
            return None
        return self.tokens_s / self.written_tokens_s

    def applied(self, recipe: Recipe) -> Recipe | None:
        """The recipe with it; None where the settings are none of this recipe's, as in a file that was damaged."""
        if set(self.settings) != CHOSEN:
            return None
        training = recipe.training.model_dump() | self.settings
        try:
            found = recipe.model_copy(update={"training": Training.model_validate(training)})
        except ValueError:
            return None
        return found if task_of(found) == self.task else None


class TooMuch(msgspec.Struct, frozen=True, kw_only=True):
    """A way (`way_of`) that has run out of memory where the run could have `available_mib`."""

    task: str
    gpu: str
    versions: str
    way: str
    available_mib: Amount


class Lessons(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known."""

    answers: tuple[Answer, ...] = ()
    too_much: tuple[TooMuch, ...] = ()

    def answer(self, recipe: Recipe, gpu: str) -> Answer | None:
        """The newest for this work."""
        place = _place(recipe, gpu)
        return next((one for one in reversed(self.answers) if _place_of(one) == place), None)

    def is_too_much(self, recipe: Recipe, gpu: str, available: int) -> bool:
        """Whether it has run out of memory with about as many bytes, or with more."""
        place, way = _place(recipe, gpu), way_of(recipe.training)
        return any(
            _place_of(one) == place and one.way == way and available <= one.available_mib * MIB for one in self.too_much
        )


def lessons() -> Lessons:
    """What the file holds; nothing where it is damaged."""
    try:
        found: Any = json.loads(read_regular(_file(), LIMIT_BYTES, follow=False))
        return msgspec.convert(found, Lessons)
    except (OSError, ValueError, RecursionError, msgspec.ValidationError, *UNREADABLE):
        return Lessons()


def remember(recipe: Recipe, gpu: str, **found: Any) -> None:
    """Keep an answer for this work: the fields of Answer beside those that say what it is for."""
    task, _, versions = place = _place(recipe, gpu)
    known = lessons()
    others = tuple(one for one in known.answers if _place_of(one) != place)
    _write(msgspec.structs.replace(known, answers=(*others, Answer(task=task, gpu=gpu, versions=versions, **found))))


def remember_too_much(recipe: Recipe, gpu: str, available: int) -> None:
    """That this way runs out of memory where so many bytes are there for it."""
    task, _, versions = _place(recipe, gpu)
    one = TooMuch(task=task, gpu=gpu, versions=versions, way=way_of(recipe.training), available_mib=available / MIB)
    known = lessons()
    _write(msgspec.structs.replace(known, too_much=(*known.too_much, one)))


def way_of(training: Training) -> str:
    """All that fit may choose."""
    return json.dumps(chosen(training), sort_keys=True)


def chosen(training: Training) -> dict[str, bool | int | str | None]:
    """All that fit may choose, as it is."""
    return {name: getattr(training, name) for name in sorted(CHOSEN)}


def _place(recipe: Recipe, gpu: str) -> tuple[str, str, str]:
    return task_of(recipe), gpu, _versions()


def _place_of(one: Answer | TooMuch) -> tuple[str, str, str]:
    return one.task, one.gpu, one.versions


def _versions() -> str:
    """Of the stack that is installed."""
    found = []
    for name in STACK:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return " ".join(found)


def _file() -> Path:
    return compile_cache() / FILE


def _write(known: Lessons) -> None:
    """Where it cannot be written it is measured again."""
    kept = Lessons(answers=known.answers[-KEPT:], too_much=known.too_much[-KEPT:])
    with suppress(OSError):
        write_atomically(_file(), msgspec.json.encode(kept), durable=False)
