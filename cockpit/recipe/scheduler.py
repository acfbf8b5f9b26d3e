"""How the learning rate moves: every scheduler of transformers, and the settings that each of them has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from cockpit.recipe.number import number_text
from cockpit.recipe.section import Conflict, Field, Section, unit

MAX_STEPS = 10_000_000

Scheduler = Literal[
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
    "reduce_lr_on_plateau",
    "cosine_with_min_lr",
    "cosine_warmup_with_min_lr",
    "warmup_stable_decay",
    "greedy",
]
Shape = Literal["linear", "cosine", "1-sqrt"]

FOLLOWS_EVALUATIONS = ("reduce_lr_on_plateau", "greedy")
"""Schedulers whose rate depends on how good the evaluations are."""
WITHOUT_WARMUP = ("constant", *FOLLOWS_EVALUATIONS)

_OF_EVALUATIONS = ("factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "eps")
SETTINGS: dict[str, tuple[str, ...]] = {
    "linear": (),
    "cosine": ("num_cycles",),
    "cosine_with_restarts": ("num_cycles",),
    "polynomial": ("lr_end", "power"),
    "constant": (),
    "constant_with_warmup": (),
    "inverse_sqrt": ("timescale",),
    "reduce_lr_on_plateau": _OF_EVALUATIONS,
    "cosine_with_min_lr": ("num_cycles", "min_lr", "min_lr_rate"),
    "cosine_warmup_with_min_lr": ("num_cycles", "min_lr", "min_lr_rate", "warmup_lr_rate"),
    "warmup_stable_decay": (
        "num_decay_steps", "num_stable_steps", "warmup_type", "decay_type", "min_lr_ratio", "num_cycles"
    ),
    "greedy": (*_OF_EVALUATIONS, "warmup", "max_lr", "smooth", "window_size", "reset_start"),
}  # fmt: skip
"""Which settings each scheduler has. transformers has `mode` besides: greater_is_better says it."""


class SchedulerSettings(Section):
    """The settings of the scheduler, under transformers' names; an empty one has transformers' default."""

    num_cycles: float | None = Field(default=None, gt=0, le=1000)
    """Waves of the cosine: half a wave, 0.5, falls once. With cosine_with_restarts how often it falls, 1 or more."""

    lr_end: float | None = Field(default=None, ge=0, le=1)
    """Where polynomial ends: 1e-7 where it is empty. Below learning_rate."""

    power: float | None = Field(default=None, gt=0, le=100)
    """Power of polynomial: 1, as where it is empty, falls in a line; more falls fast first, then slowly."""

    timescale: int | None = Field(default=None, ge=1, le=MAX_STEPS, json_schema_extra=unit("steps"))
    """Of inverse_sqrt: after so many steps more the rate has fallen to 0.71 of its highest; empty for as many as the
    warm-up has, or 10,000 where it has none."""

    min_lr: float | None = Field(default=None, ge=0, le=1)
    """The rate never falls below this. With the cosines it is where they end; greedy takes 1e-3 where it is empty."""

    min_lr_rate: float | None = Field(default=None, ge=0, lt=1)
    """Where a cosine ends as a share of learning_rate, in place of min_lr."""

    warmup_lr_rate: float | None = Field(default=None, gt=0, le=1)
    """Where the warm-up of cosine_warmup_with_min_lr begins as a share of learning_rate; empty for one part in
    warmup_steps."""

    num_decay_steps: int | None = Field(default=None, ge=1, le=MAX_STEPS, json_schema_extra=unit("steps"))
    """The last steps of warmup_stable_decay, over which the rate falls; often a tenth of all."""

    num_stable_steps: int | None = Field(default=None, ge=0, le=MAX_STEPS, json_schema_extra=unit("steps"))
    """Steps at the full rate between warm-up and decay; empty for all that are left."""

    warmup_type: Shape | None = None
    """How warmup_stable_decay rises: linear where it is empty."""

    decay_type: Shape | None = None
    """How warmup_stable_decay falls: cosine where it is empty."""

    min_lr_ratio: float | None = Field(default=None, ge=0, lt=1)
    """Where warmup_stable_decay begins and ends, as a share of learning_rate: 0 where it is empty."""

    factor: float | None = Field(default=None, gt=0, lt=1)
    """What the rate is multiplied by when evaluations get no better: 0.1 where it is empty, 0.95 with greedy, which
    divides by it when they get better."""

    patience: int | None = Field(default=None, ge=0, le=10_000, json_schema_extra=unit("evaluations"))
    """So many evaluations in a row may be no better before the rate moves: 10 where it is empty."""

    threshold: float | None = Field(default=None, ge=0, le=1000)
    """How much better an evaluation must be to count: 1e-4 where it is empty, 1e-6 with greedy."""

    threshold_mode: Literal["rel", "abs"] | None = None
    """Whether threshold is a share of the best evaluation (rel, where it is empty) or a difference (abs, where it is
    empty with greedy)."""

    cooldown: int | None = Field(default=None, ge=0, le=10_000, json_schema_extra=unit("evaluations"))
    """So many evaluations do not count after the rate was lowered: 0 where it is empty."""

    eps: float | None = Field(default=None, ge=0, le=1)
    """A change of the rate that is no larger than this is left out: 1e-8 where it is empty."""

    warmup: int | None = Field(default=None, ge=0, le=10_000, json_schema_extra=unit("evaluations"))
    """So many evaluations do not count after greedy has raised the rate: 0 where it is empty."""

    max_lr: float | None = Field(default=None, gt=0, le=1)
    """The rate never rises above this with greedy: 1 where it is empty."""

    smooth: bool | None = None
    """Let greedy look at the mean of the last window_size evaluations."""

    window_size: int | None = Field(default=None, ge=1, le=10_000, json_schema_extra=unit("evaluations"))
    """How many evaluations smooth takes the mean of: 50 where it is empty."""

    reset_start: int | None = Field(default=None, ge=1, le=1_000_000)
    """Greedy begins anew at learning_rate when it wanted to fall below min_lr so often: 500 where it is empty."""

    def given(self) -> dict[str, float | int | str | bool]:
        """The settings that are not empty, by name."""
        return self.model_dump(exclude_none=True)


class Schedule(Protocol):
    """What of a recipe's training decides the learning rate."""

    @property
    def lr_scheduler_type(self) -> Scheduler: ...
    @property
    def lr_scheduler_kwargs(self) -> SchedulerSettings | None: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def warmup_steps(self) -> int: ...
    @property
    def warmup_ratio(self) -> float | None: ...
    @property
    def max_steps(self) -> int | None: ...
    @property
    def eval_steps(self) -> int | None: ...


def scheduler_conflicts(training: Schedule) -> Iterator[Conflict]:
    """Settings that the scheduler does not have or needs, and those that do not go with each other or the rest."""
    kind = training.lr_scheduler_type
    given = training.lr_scheduler_kwargs.given() if training.lr_scheduler_kwargs is not None else {}
    for name in given:
        if name not in SETTINGS[kind]:
            has = f"it has {', '.join(SETTINGS[kind])}" if SETTINGS[kind] else "it has none"
            owners = ", ".join(other for other, names in SETTINGS.items() if name in names)
            yield Conflict(f"lr_scheduler_kwargs.{name}", f"{kind} has no such setting, {has}", f"it is for {owners}")
    yield from _warmup_conflicts(training)
    if kind in FOLLOWS_EVALUATIONS and training.eval_steps is None:
        wrong = f"{kind} follows the evaluations, and eval_steps is empty"
        yield Conflict("lr_scheduler_type", wrong, "give eval_steps (and data.eval_rows), or another scheduler")
    yield from _bound_conflicts(training, given)
    if kind == "warmup_stable_decay":
        yield from _decay_conflicts(training, given)
    if kind == "cosine_with_restarts" and (cycles := given.get("num_cycles", 1)) != int(cycles):
        wrong = f"{number_text(float(cycles))} is not a whole number of restarts"
        yield Conflict("lr_scheduler_kwargs.num_cycles", wrong, "give 1, 2, 3 ...")


def _warmup_conflicts(training: Schedule) -> Iterator[Conflict]:
    field = "warmup_steps" if training.warmup_steps else "warmup_ratio" if training.warmup_ratio else ""
    kind, steps = training.lr_scheduler_type, training.max_steps
    if field and kind in WITHOUT_WARMUP:
        right = "give constant_with_warmup as lr_scheduler_type, or no warm-up"
        yield Conflict(field, f"the schedule {kind} has no warm-up", right)
    elif kind == "polynomial" and steps is not None and training.warmup_steps >= steps:
        wrong = f"polynomial would have no step left to fall in, as max_steps is {steps:,}"
        yield Conflict(field, wrong, "give fewer, or another lr_scheduler_type")


def _bound_conflicts(training: Schedule, given: dict[str, float | int | str | bool]) -> Iterator[Conflict]:
    kind, highest = training.lr_scheduler_type, training.learning_rate
    shown = f"learning_rate, which is {number_text(highest)}"
    if kind in ("cosine_with_min_lr", "cosine_warmup_with_min_lr"):
        if "min_lr" in given and "min_lr_rate" in given:
            yield Conflict("lr_scheduler_kwargs.min_lr_rate", "min_lr is set too", "keep one of the two")
        elif "min_lr" not in given and "min_lr_rate" not in given:
            wrong = f"{kind} needs to know where it ends"
            yield Conflict("lr_scheduler_type", wrong, "give lr_scheduler_kwargs.min_lr or min_lr_rate")
    lowest = {"polynomial": ("lr_end", 1e-7), "greedy": ("min_lr", 1e-3)}.get(kind, ("min_lr", None))
    low = given.get(lowest[0], lowest[1])
    if lowest[0] in SETTINGS[kind] and low is not None and float(low) >= highest:
        unless = "" if lowest[0] in given else ", as where it is empty,"
        wrong = f"{number_text(float(low))}{unless} is not below {shown}"
        yield Conflict(f"lr_scheduler_kwargs.{lowest[0]}", wrong, f"give less than {number_text(highest)}")
    if kind == "greedy" and float(given.get("max_lr", 1.0)) < highest:
        wrong = f"{number_text(float(given['max_lr']))} is below {shown}"
        yield Conflict("lr_scheduler_kwargs.max_lr", wrong, "give at least that, or leave it empty")
    if kind == "greedy" and "window_size" in given and not given.get("smooth"):
        yield Conflict("lr_scheduler_kwargs.window_size", "it is not used, as smooth is off", "switch smooth on")


def _decay_conflicts(training: Schedule, given: dict[str, float | int | str | bool]) -> Iterator[Conflict]:
    if (decay := given.get("num_decay_steps")) is None:
        wrong = "warmup_stable_decay needs to know over how many steps it falls"
        yield Conflict("lr_scheduler_type", wrong, "give lr_scheduler_kwargs.num_decay_steps")
        return
    taken = training.warmup_steps + int(decay)
    if training.max_steps is not None and "num_stable_steps" not in given and taken > training.max_steps:
        wrong = f"warm-up and decay take {taken:,} steps, and max_steps is {training.max_steps:,}"
        yield Conflict("lr_scheduler_kwargs.num_decay_steps", wrong, "give fewer, or more max_steps")
