"""RateProber: which learning rate suits the rows of a recipe, by short runs of the same rows, each at another rate"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import msgspec

from cockpit.launch.engines import EngineKey
from cockpit.machine.gpu import GpuReport
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import why_unwritable
from cockpit.tuning.probe import UNHEARD, UNHEARD_SECTIONS, Probe, Prober
from cockpit.tuning.usual_rate import two_digits, usual_rate

STEPS, WARM_UP = 60, 6
HELD_OUT = 64
"""Rows that a probe holds out where the recipe does not; a fifth of all at most, as the engine has it."""
MOST_HELD_OUT = 128
MOST_PROBES = 8
FACTOR = 2.0
"""Between a rate and the next one."""
TIE = 0.005
"""Losses that are off by no more are equal: of their rates the one nearest to the usual one is taken."""
WINDOW, SURE_STEPS = 10, 30
BEHIND, DIVERGED = 1.1, 1.5
"""Times the mean loss over the last WINDOW steps: of the best rate's at the same steps, and of the first steps'."""
LOWEST, HIGHEST = 1e-8, 1.0


class RatesStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`usual` is what models of its size usually take, `written` what the recipe has. `held_out`: rows at most."""

    recipe: str
    steps: int
    held_out: int
    usual: float
    written: float
    budget_s: float


class RateStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The probe `number` began."""

    number: int
    rate: float


class RateWent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How far it is."""

    number: int
    phase: str
    steps: int


class RateEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`outcome`: measured, diverged or behind (ended early), out_of_memory or failed. `loss` is that of the
    held-out rows after the last step, None where it has not come to that, `losses` those of training, a step each."""

    number: int
    rate: float
    outcome: str
    reason: str = ""
    loss: float | None = None
    losses: tuple[float, ...] = ()


class RatesEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`rate` is the one to take; None where none was measured. `loss` is its held-out loss."""

    rate: float | None
    loss: float | None
    took_s: float
    stopped: bool = False


RateTold = RatesStarted | RateStarted | RateWent | RateEnded | RatesEnded


def why_no_rates(recipe: Recipe) -> str:
    """Why rates of the recipe cannot be told apart by a loss, in a sentence; empty where they can."""
    if recipe.method == "grpo":
        return "method: grpo learns from rewards, and its loss says nothing of a learning rate; compare runs by reward."
    return ""


def at_rate(recipe: Recipe, rate: float, steps: int = STEPS) -> Recipe:
    """The recipe as a probe trains it: so many steps at that rate after a short warm-up, with some rows held out and
    measured at the end, and nothing else."""
    changed = {name: type(getattr(recipe, name))() for name in UNHEARD_SECTIONS}
    changed["output"] = recipe.output.model_copy(update=UNHEARD["output"])
    changed["training"] = recipe.training.model_copy(
        update=UNHEARD["training"]
        | {
            "learning_rate": rate, "lr_scheduler_type": "constant_with_warmup", "lr_scheduler_kwargs": None,
            "warmup_steps": min(WARM_UP, steps // 2), "warmup_ratio": None, "max_steps": steps, "eval_steps": steps,
        }
    )  # fmt: skip
    data = recipe.data
    if data.validation is not None:
        most = min(data.validation.max_rows or MOST_HELD_OUT, MOST_HELD_OUT)
        held_out: dict[str, object] = {"validation": data.validation.model_copy(update={"max_rows": most})}
    else:
        held_out = {"eval_share": None, "eval_rows": min(data.eval_rows or HELD_OUT, MOST_HELD_OUT)}
    changed["data"] = data.model_copy(update=held_out)
    return recipe.model_copy(update=changed)


class RateProber:
    """`run` once."""

    def __init__(
        self,
        recipe: Recipe,
        name: str,
        report: GpuReport,
        budget_s: float,
        tell: Callable[[RateTold], None],
        steps: int = STEPS,
    ) -> None:
        """`tell` is told all that happens. Raises ValueError with a sentence where the recipe's GPU is not there."""
        self._recipe, self._name, self._budget_s, self._tell, self._steps = recipe, name, budget_s, tell, steps
        self._key = EngineKey.of(recipe, report)
        self._usual = usual_rate(recipe)
        self._found: dict[float, Probe] = {}

    def run(self) -> RatesEnded:
        """Probe until a rate is better than those beside it, the time is up, or KeyboardInterrupt."""
        began, stopped = time.monotonic(), False
        held_out = at_rate(self._recipe, self._usual).data
        rows = held_out.validation.max_rows if held_out.validation is not None else held_out.eval_rows
        self._tell(
            RatesStarted(
                recipe=self._name, steps=self._steps, held_out=rows or 0, usual=self._usual,
                written=self._recipe.training.learning_rate, budget_s=self._budget_s,
            )
        )  # fmt: skip
        prober, until = Prober(ahead=False), began + self._budget_s
        try:
            while (rate := self._next()) is not None and (not self._found or time.monotonic() < until):
                self._try(rate, prober)
        except KeyboardInterrupt:
            stopped = True
        finally:
            prober.close()
        rate = chosen(self.losses, self._usual)
        loss = None if rate is None else self.losses[rate]
        ended = RatesEnded(rate=rate, loss=loss, took_s=time.monotonic() - began, stopped=stopped)
        self._tell(ended)
        return ended

    @property
    def losses(self) -> dict[float, float]:
        """The held-out loss of each rate that was measured to its end."""
        return {
            rate: found.eval_loss
            for rate, found in self._found.items()
            if found.outcome == "measured" and found.eval_loss is not None and math.isfinite(found.eval_loss)
        }

    def _next(self) -> float | None:
        """The recipe's own rate and the usual one, then those beside the best; None once that has worse ones, or ones
        that could not be measured, on both sides."""
        if len(self._found) >= MOST_PROBES:
            return None
        for first in (self._recipe.training.learning_rate, self._usual):
            if not _is_near(first, self._found):
                return first
        if not self.losses:
            return self._lower_than_all()
        best = min(self.losses, key=self.losses.__getitem__)
        for rate in (two_digits(best * FACTOR), two_digits(best / FACTOR)):
            if not _is_beside(best, rate, self._found) and LOWEST < rate < HIGHEST:
                return rate
        return None

    def _lower_than_all(self) -> float | None:
        """Where each rate so far has diverged."""
        if any(found.outcome != "diverged" for found in self._found.values()):
            return None
        return two_digits(min(self._found) / FACTOR**2)

    def _try(self, rate: float, prober: Prober) -> None:
        number, shown = len(self._found) + 1, ("", -1)
        self._tell(RateStarted(number=number, rate=rate))

        def heard(phase: str, found: Probe) -> None:
            nonlocal shown
            if shown != (now := (phase, len(found.seconds))):
                shown = now
                self._tell(RateWent(number=number, phase=phase, steps=len(found.seconds)))

        try:
            recipe = at_rate(self._recipe, rate, self._steps)
            found = prober.probe(recipe, self._key, math.inf, self._is_behind, heard, whole=True)
        except OSError as error:
            found = Probe(outcome="failed", reason=why_unwritable(error))
        if has_diverged(found.losses) or (found.eval_loss is not None and not math.isfinite(found.eval_loss)):
            found.outcome, found.reason = "diverged", ""
        elif found.outcome == "measured" and found.eval_loss is None:
            found.outcome, found.reason = "failed", "There are too few rows to hold any out: give more."
        self._found[rate] = found
        self._tell(
            RateEnded(
                number=number, rate=rate, outcome=found.outcome, reason=found.reason, loss=found.eval_loss,
                losses=tuple(found.losses),
            )
        )  # fmt: skip

    def _is_behind(self, found: Probe) -> bool:
        """Whether it has diverged, or lies far behind the best rate over the same rows."""
        if has_diverged(found.losses):
            return True
        steps = len(found.losses)
        if not self.losses or steps < SURE_STEPS or steps == self._steps:
            return False
        best = self._found[min(self.losses, key=self.losses.__getitem__)]
        there = best.losses[steps - WINDOW : steps]
        return len(there) == WINDOW and _mean(found.losses[-WINDOW:]) > BEHIND * _mean(there)


def chosen(losses: dict[float, float], usual: float) -> float | None:
    """The rate to take, of those whose loss is the lowest but for a TIE the one nearest to the usual; None of none."""
    if not losses:
        return None
    least = min(losses.values())
    equal = [rate for rate, loss in losses.items() if loss - least <= TIE * abs(least)]
    return min(equal, key=lambda rate: abs(math.log(rate / usual)))


def has_diverged(losses: Sequence[float]) -> bool:
    """Whether one is no number, or those of the last steps are far above the first ones'."""
    if not all(map(math.isfinite, losses)):
        return True
    return len(losses) >= 2 * WINDOW and _mean(losses[-WINDOW:]) > DIVERGED * _mean(losses[:WINDOW])


def _is_near(rate: float, tried: dict[float, Probe]) -> bool:
    return any(abs(math.log(rate / one)) < math.log(1.1) for one in tried)


def _is_beside(best: float, rate: float, tried: dict[float, Probe]) -> bool:
    """Whether one was tried about as far from the best as `rate` is, on that side."""
    way = math.log(rate / best)
    return any(0.5 < math.log(one / best) / way < 1.6 for one in tried)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
