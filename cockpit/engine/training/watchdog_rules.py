"""Signs that a run goes wrong: rules on what it has measured, as functions without a state. No torch here."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from statistics import median
from typing import NamedTuple

from cockpit.text.numbers import count, duration, learning_rate, metric, percent, size

KEPT_STEPS = 160
"""Steps that the rules look back on."""
AT_ONCE = 8
"""Losses whose median stands for the present."""
NO_LOSS = 1e-7
LEAST_LOSSES = 4 * AT_ONCE
FEW_LOSSES = 48
"""By fewer than these their noise is not told well."""
IN_A_ROW = 3
"""Steps that must show the same before something is said of it."""
DIVERGES = 1.3
"""How many times the lowest loss is too much, where that is more than OUTLIER times its noise."""
OUTLIER = 6.0
"""Standard deviations, told by medians: nothing that comes of noise."""
SPIKE = 15.0
"""How many times its usual length a gradient must have."""
LEAST_NORMS = 16
STILL_STEPS = 10
BLOCK_STEPS, BLOCK_S = 16, 20.0
"""Throughput is that of a block: so many steps, and so many seconds at least."""
LEAST_BLOCKS = 4
FALLEN = 0.5
STALLS_AFTER_S, STALLS = 60.0, 10.0
"""A step stalls after so long, and that many times the longest of the last steps."""
COMPILES_WITHIN_S = 1800.0
RISES = 1.05
LEAST_RISE = 4.0
"""Standard deviations; two evaluations in a row must show it."""
LEAST_EVALUATIONS = 4
VRAM_SHARE = 0.95
READINGS = 3
LEAST_DISK = 512 << 20
"""Bytes that a run needs in any case."""


class Block(NamedTuple):
    """Some steps: the median of their tokens a second, so that one that hangs for a moment says little; and how long
    they took together."""

    rate: float
    seconds: float


class Held(NamedTuple):
    """An evaluation, and the usual loss of training in the steps before it."""

    step: int
    loss: float
    training: float


def _kept() -> deque[float]:
    return deque(maxlen=KEPT_STEPS)


@dataclass
class Course:
    """What an attempt has measured, the newest last, as much of it as the rules look at. None of it is needed for a
    step to be added; a step costs the same however many there were."""

    step: int = 0
    losses: deque[float] = field(default_factory=_kept)
    norms: deque[float] = field(default_factory=_kept)
    rates: deque[float] = field(default_factory=lambda: deque(maxlen=STILL_STEPS))
    planned: deque[float] = field(default_factory=lambda: deque(maxlen=STILL_STEPS))
    trained: deque[float] = field(default_factory=lambda: deque(maxlen=IN_A_ROW))
    """Tokens with loss in each step."""
    first_step_s: float | None = None
    """How long the first step took, which compiles; None before it has ended."""
    step_times: deque[float] = field(default_factory=lambda: deque(maxlen=30))
    """Of the steps after it."""
    lowest: float = math.inf
    """The lowest median of AT_ONCE losses in a row, those of the last 2 x AT_ONCE steps left out."""
    blocks: deque[Block] = field(default_factory=lambda: deque(maxlen=64))
    """Whole ones, the first step left out, which compiles."""
    evaluations: list[Held] = field(default_factory=list)
    vram: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """The last shares of each GPU's memory that are used, by the GPU's name."""
    disk_free: int | None = None
    """Bytes; None where it is not known."""
    checkpoint_bytes: int = 0
    """Of the largest checkpoint so far."""
    watched: Sequence[str] = ()
    """Figures of the method that are kept too, by the names that TRL logs."""
    _of_method: dict[str, deque[float]] = field(default_factory=dict)
    _steps: int = 0
    _seen: float = 0.0
    _trained: float = 0.0
    _open: list[float] = field(default_factory=list)
    """Tokens a second of each step of the block that is not whole yet."""
    _open_s: float = 0.0
    _since_evaluation: deque[float] = field(default_factory=_kept)

    def add_step(self, step: int, figures: Mapping[str, float], took_s: float, planned: float | None = None) -> None:
        """A step has ended: its figures by TRL's names, NaN where one is not finite, and the rate that was planned."""
        self.step, self._steps = step, self._steps + 1
        loss = figures.get("loss", math.nan)
        self.losses.append(loss)
        if math.isfinite(loss):
            self._since_evaluation.append(loss)
        if self._steps % AT_ONCE == 0 and len(self.losses) >= 3 * AT_ONCE:
            block = _last(self.losses, 3 * AT_ONCE)[:AT_ONCE]
            self.lowest = min(self.lowest, _median([loss for loss in block if abs(loss) >= NO_LOSS]))
        if "grad_norm" in figures:
            self.norms.append(figures["grad_norm"])
        if planned is not None and "learning_rate" in figures:
            self.rates.append(figures["learning_rate"])
            self.planned.append(planned)
        for name in self.watched:
            if math.isfinite(value := figures.get(name, math.nan)):
                self._of_method.setdefault(name, _kept()).append(value)
        seen, trained = figures.get("tokens_seen", 0.0), figures.get("trained_tokens", 0.0)
        self.trained.append(trained - self._trained)
        if self.first_step_s is None:
            self.first_step_s = took_s
        else:
            self.step_times.append(took_s)
            self._open.append((seen - self._seen) / took_s if took_s > 0 else math.inf)
            self._open_s += took_s
            if len(self._open) >= BLOCK_STEPS and self._open_s >= BLOCK_S:
                self.blocks.append(Block(_median(self._open), self._open_s))
                self._open, self._open_s = [], 0.0
        self._seen, self._trained = seen, trained

    def of(self, name: str) -> list[float]:
        """The last values of a watched figure that were finite, the newest last."""
        return list(self._of_method.get(name, ()))

    def begin(self, tokens_seen: float, trained_tokens: float) -> None:
        """Before the first step: what an earlier attempt has counted."""
        self._seen, self._trained = tokens_seen, trained_tokens

    def add_evaluation(self, step: int, loss: float) -> None:
        """The held-out rows were measured."""
        training = _median(list(self._since_evaluation)) if self._since_evaluation else math.inf
        self.evaluations = [*(one for one in self.evaluations if one.step < step), Held(step, loss, training)][-64:]
        self._since_evaluation.clear()

    def add_vram(self, gpu: str, share: float) -> None:
        """A GPU's memory was read: the share of it that is used."""
        self.vram = {**self.vram, gpu: [*self.vram.get(gpu, ()), share][-READINGS:]}


Rule = Callable[[Course], str]
"""What is wrong, in a sentence; empty where nothing is."""


def loss_nan(course: Course) -> str:
    """A loss that is no number spoils the weights with it."""
    if not course.losses or math.isfinite(course.losses[-1]):
        return ""
    return f"The loss of step {count(course.step)} is not a finite number."


def loss_zero(course: Course) -> str:
    """A loss of 0 teaches nothing."""
    if len(course.losses) < IN_A_ROW or any(not abs(loss) < NO_LOSS for loss in _last(course.losses, IN_A_ROW)):
        return ""
    return f"The loss has been 0 for {IN_A_ROW} steps."


def gradient_zero(course: Course) -> str:
    """Without a gradient no weight changes."""
    if len(course.norms) < IN_A_ROW or any(not norm < 1e-10 for norm in _last(course.norms, IN_A_ROW)):
        return ""
    return f"The gradient has been 0 for {IN_A_ROW} steps."


def gradient_spike(course: Course) -> str:
    """Lengths of gradients differ by factors: they are compared as logarithms."""
    if len(course.norms) <= LEAST_NORMS:
        return ""
    *before, newest = _last(course.norms, min(65, len(course.norms)))
    if not 0 < newest < math.inf or newest <= SPIKE * min(before):
        return ""  # as nearly always, and at little cost
    known = [math.log(norm) for norm in before if 0 < norm < math.inf]
    usual = _median(known)
    if math.log(newest) - usual <= max(math.log(SPIKE), OUTLIER * spread(known)):
        return ""
    norms = f"a norm of {metric(newest)}; usual is {metric(math.exp(usual))}"
    return f"The gradient of step {count(course.step)} has {norms}."


def loss_diverging(course: Course) -> str:
    """Noise is told by the losses before the present ones, whose rise is none of it."""
    if len(course.losses) < LEAST_LOSSES or not math.isfinite(course.lowest):
        return ""
    present, margin = _median(_last(course.losses, AT_ONCE)), (DIVERGES - 1) * abs(course.lowest)
    if present <= course.lowest + margin or math.isinf(present):
        return ""  # as nearly always, and at little cost
    before = list(course.losses)[: -2 * AT_ONCE]
    times = OUTLIER if len(before) >= FEW_LOSSES else 1.5 * OUTLIER
    if present <= course.lowest + times * spread(before):
        return ""
    return f"The loss is {metric(present)} after it was {metric(course.lowest)} (step {count(course.step)})."


def overfitting(course: Course) -> str:
    """Evaluations differ little by chance, as their rows are the same: what they do is told by their differences."""
    known = [one for one in course.evaluations if math.isfinite(one.loss) and math.isfinite(one.training)]
    if len(known) < LEAST_EVALUATIONS:
        return ""
    best = min(known, key=lambda one: one.loss)
    steps = [after.loss - before.loss for before, after in pairwise(known)]
    noise = spread(steps) / math.sqrt(2) if len(steps) >= 5 else 0.025 * best.loss
    least = best.loss + max((RISES - 1) * best.loss, LEAST_RISE * noise)
    last = known[-2:]
    if best in last or any(one.loss < least for one in last) or last[1].training >= best.training:
        return ""
    return (
        f"The held-out loss is {metric(last[1].loss)} after it was {metric(best.loss)} at step {count(best.step)}, "
        f"while the loss of training fell from {metric(best.training)} to {metric(last[1].training)}."
    )


def nothing_trained(course: Course) -> str:
    """Rows whose every token is masked cost a step and teach nothing."""
    if len(course.trained) < IN_A_ROW or any(tokens > 0 for tokens in course.trained):
        return ""
    return f"No token was trained on in the last {IN_A_ROW} steps."


def learning_rate_still(course: Course) -> str:
    """The rate that was planned for the same steps must have moved, and by more than numbers are rounded to."""
    if len(course.rates) < STILL_STEPS or len(set(course.rates)) > 1:
        return ""
    if max(course.planned) - min(course.planned) <= 1e-6 * max(course.planned):
        return ""
    return (
        f"The learning rate has stood at {learning_rate(course.rates[-1])} for {STILL_STEPS} steps; "
        f"planned is {learning_rate(course.planned[-1])} by now."
    )


def throughput_fallen(course: Course) -> str:
    """Blocks are long enough that rows of unlike length are in each."""
    if len(course.blocks) <= LEAST_BLOCKS:
        return ""
    *before, present = course.blocks
    usual = _median([block.rate for block in before])
    if present.rate >= FALLEN * usual:
        return ""
    return f"{count(present.rate)} tokens/s over the last {duration(present.seconds)}; usual are {count(usual)}."


def vram_nearly_full(course: Course) -> str:
    """As the driver has it, other processes among what is used."""
    for gpu, shares in course.vram.items():
        if len(shares) == READINGS and min(shares) >= VRAM_SHARE:
            return f"{percent(shares[-1])} of the memory of {gpu} is used."
    return ""


def disk_nearly_full(course: Course) -> str:
    """A checkpoint is written whole before an older one is removed."""
    needed = max(LEAST_DISK, 2 * course.checkpoint_bytes)
    if course.disk_free is None or course.disk_free >= needed:
        return ""
    return f"{size(course.disk_free)} are free on the run's disk; two more checkpoints need {size(needed)}."


def stalled(waited_s: float, step_times: Sequence[float], first_step_s: float | None) -> str:
    """A step that is under way, seen from outside of it. The second one may take as long as the first, and twice."""
    longest = max(step_times, default=0.0)
    if first_step_s is None:
        patience = COMPILES_WITHIN_S
    else:
        patience = max(STALLS_AFTER_S, STALLS * longest if step_times else 2 * first_step_s)
    if waited_s <= patience:
        return ""
    usual = f"; the longest of the last ones took {duration(longest)}" if longest else ""
    return f"The step in hand takes {duration(waited_s)} so far{usual}."


AFTER_STEP: dict[str, Rule] = {
    "loss_nan": loss_nan,
    "loss_zero": loss_zero,
    "loss_diverging": loss_diverging,
    "gradient_zero": gradient_zero,
    "gradient_spike": gradient_spike,
    "nothing_trained": nothing_trained,
    "learning_rate_still": learning_rate_still,
    "throughput_fallen": throughput_fallen,
}
AFTER_EVALUATION: dict[str, Rule] = {"overfitting": overfitting}
AFTER_READING: dict[str, Rule] = {"vram_nearly_full": vram_nearly_full, "disk_nearly_full": disk_nearly_full}


def _last(values: deque[float], number: int) -> list[float]:
    return list(islice(values, len(values) - number, None))


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return median(known) if known else math.inf


def spread(values: Sequence[float]) -> float:
    """The standard deviation that normal noise with the same quartiles has; outliers count for nothing."""
    known = [value for value in values if math.isfinite(value)]
    middle = _median(known)
    return 1.4826 * _median([abs(value - middle) for value in known]) if known else 0.0
