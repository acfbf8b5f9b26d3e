"""How long a run still takes: its steps, and what is planned between them"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from statistics import fmean, quantiles
from typing import NamedTuple

from cockpit.protocol.events import PhaseStarted, TrainingPlanned

APART = ("evaluating", "sampling", "answering", "saving", "paused")
"""Phases between two steps."""
LOOK_BACK = 5
"""How many times of each phase the estimates look back on."""


class Stretch(NamedTuple):
    """Steps of an attempt: how many, the seconds from before the first to the end of the last, and their own."""

    steps: int = 0
    wall_s: float = 0.0
    stepping_s: float = 0.0


@dataclass
class Pace:
    """Told of phases and steps as they end. What one attempt has shown is what the next one is judged by at first."""

    lasted_s: dict[str, deque[float]] = field(default_factory=dict)
    """The last few durations of each phase that comes between steps, of all attempts; a pause has none."""
    _apart_s: dict[str, float] = field(default_factory=dict)
    """Seconds of such phases between the first and the last step of this attempt."""
    _since_step_s: dict[str, float] = field(default_factory=dict)
    """The same, since the last step."""
    _has_stepped: bool = False
    _steps_before: list[float] = field(default_factory=list)
    _rest_before: float = 0.0

    def phase_over(self, phase: PhaseStarted, at: float) -> None:
        """A phase has ended at that time."""
        name, took = phase.phase, max(0.0, at - phase.at)
        if name not in APART:
            return
        self._since_step_s[name] = self._since_step_s.get(name, 0.0) + took
        if name != "paused":
            self.lasted_s.setdefault(name, deque(maxlen=LOOK_BACK)).append(took)

    def step_over(self) -> None:
        """A step has ended; the first one of an attempt begins its stretch."""
        if self._since_step_s:
            for name, took in self._since_step_s.items() if self._has_stepped else ():
                self._apart_s[name] = self._apart_s.get(name, 0.0) + took
            self._since_step_s.clear()
        self._has_stepped = True

    def attempt_begins(self, step_times: list[float], stretch: Stretch) -> None:
        """The run is taken up again; the steps are those of the attempt before."""
        if len(step_times) > 1:
            self._steps_before, self._rest_before = step_times, self._rest(stretch, self._apart_s)
        self._apart_s, self._since_step_s, self._has_stepped = {}, {}, False

    def left_s(
        self, plan: TrainingPlanned, step: int, step_times: list[float], stretch: Stretch, evaluation_s: float | None
    ) -> tuple[float, float] | None:
        """Seconds that are left after `step`, and how much that may be off; None where no pace is known. The last
        evaluation took `evaluation_s`; None where there are none.

        The median of the `step_times`, which are the last ones, plus what is left of the time between steps as a mean,
        plus each evaluation, checkpoint and sample that is still to come, as long as the last few took. The spread is
        half the distance between the quartiles of the step times.
        """
        is_told = plan.recipe_steps is not None  # older engines do not tell what is planned between steps
        apart = self._apart_s if is_told else {"paused": self._apart_s.get("paused", 0.0)}
        rest = self._rest(stretch, apart)
        if len(step_times) < 2:
            step_times, rest = self._steps_before, self._rest_before
        if len(step_times) < 2:
            return None
        low, median, high = quantiles(step_times, n=4)
        steps = max(0, plan.total_steps - step)
        times = to_come(plan, step, evaluates=evaluation_s is not None)
        usual_s = {"evaluating": evaluation_s or 0.0} | {phase: fmean(known) for phase, known in self.lasted_s.items()}
        between = sum(count * usual_s.get(phase, 0.0) for phase, count in times.items())
        return steps * (median + rest) + between, steps * (high - low) / 2

    def _rest(self, stretch: Stretch, apart: dict[str, float]) -> float:
        """Seconds a step that are neither the step's own nor a phase's."""
        rest = stretch.wall_s - stretch.stepping_s - sum(apart.values())
        return max(0.0, rest) / stretch.steps if stretch.steps else 0.0


def to_come(plan: TrainingPlanned, step: int, *, evaluates: bool) -> dict[str, int]:
    """How often each phase comes between `step` and the end of the run. The result is saved too, at the end."""
    total = plan.total_steps
    if step >= total:
        return {}
    saves_at_last = plan.saves_last and not _is_due(total, plan.save_steps)
    saves = _multiples(step, total, plan.save_steps) + saves_at_last
    found = {"saving": saves + 1}
    if evaluates:
        found["evaluating"] = _multiples(step, total, plan.eval_steps) + (not _is_due(total, plan.eval_steps))
    if plan.answers:
        found["answering"] = _multiples(step, total, plan.answer_steps) + (not _is_due(total, plan.answer_steps))
    if plan.samples:
        both = math.lcm(plan.sample_steps or 0, plan.save_steps or 0)
        alike = _multiples(step, total, both) + (saves_at_last and _is_due(total, plan.sample_steps))
        found["sampling"] = saves + _multiples(step, total, plan.sample_steps) - alike
    return found


def _multiples(after: int, to: int, every: int | None) -> int:
    return to // every - after // every if every else 0


def _is_due(step: int, every: int | None) -> bool:
    return every is not None and every > 0 and step % every == 0
