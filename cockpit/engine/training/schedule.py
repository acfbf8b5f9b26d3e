"""The learning rate as the trainer takes it, with what readers ask for on the way: a factor, more steps"""

from __future__ import annotations

from typing import Any

import torch

from cockpit.engine.compat.private_names import follows_evaluations, set_learning_rate, set_schedule
from cockpit.engine.training.learning_rate import RATE_SHARE, scale_rates
from cockpit.protocol.events import ScheduleChange
from cockpit.recipe.learning_rates import PlannedRates
from cockpit.recipe.scheduler import MAX_STEPS
from cockpit.text.numbers import count


class Schedule:
    """What holds at present, and what an earlier attempt was asked for at a step that is still to come."""

    def __init__(self, trainer: Any, changes: tuple[ScheduleChange, ...] = (), *, step: int = 0) -> None:
        """Call when optimizer, scheduler and `state.max_steps` are there. `changes`: what was asked for before and
        holds; those after `step` wait for their steps."""
        self._trainer = trainer
        self.recipe_steps: int = trainer.state.max_steps
        """The steps that the recipe alone gives."""
        self._holds = ScheduleChange(step=0, rate_factor=1.0, total_steps=self.recipe_steps)
        self._pending = [one for one in changes if one.step > step]
        past = [one for one in changes if one.step <= step]
        if changes:
            trainer.state.max_steps = changes[-1].total_steps
        self._take(past[-1] if past else self._holds, is_loaded=True)

    def after(self, step: int) -> bool:
        """A step is over: what an earlier attempt was asked for then holds again. Whether there is any."""
        is_due = bool(self._pending) and self._pending[0].step <= step
        while self._pending and self._pending[0].step <= step:
            self._take(self._pending.pop(0))
        return is_due

    def planned(self, step: int) -> float | None:
        """The learning rate that the recipe, and what was asked for, has for a step, whatever the trainer does; None
        where the steps alone do not tell it."""
        rates = self._rates
        return rates[step - 1] * self._holds.rate_factor if rates and step <= len(rates) else None

    def why_not(self, *, factor: float = 1.0, added_steps: int = 0) -> str:
        """Why the schedule cannot be changed so, in a sentence; empty where it can."""
        total = self._trainer.state.max_steps + added_steps
        if total > MAX_STEPS:
            return f"That would be {count(total)} steps in all; a run has {count(MAX_STEPS)} at most."
        peak = self._trainer.args.learning_rate * self._holds.rate_factor * factor
        return "" if 0 < peak <= 1 else f"The highest learning rate would be {peak:.3g}; 1 is the most that it can be."

    def change(self, step: int, *, factor: float = 1.0, added_steps: int = 0) -> ScheduleChange:
        """Another schedule from the step after `step` on; what was pending is replaced by it. What holds then."""
        total = self._trainer.state.max_steps = self._trainer.state.max_steps + added_steps
        changed = ScheduleChange(step=step, rate_factor=self._holds.rate_factor * factor, total_steps=total)
        self._pending.clear()
        self._take(changed)
        return changed

    def _take(self, change: ScheduleChange, *, is_loaded: bool = False) -> None:
        """`is_loaded`: a schedule that is no function of the step has the rates of `change` already."""
        trainer, before = self._trainer, self._holds
        self._holds = change
        follows = follows_evaluations(trainer.lr_scheduler)
        self._rates = None if follows else PlannedRates(trainer.training, change.total_steps)
        if follows:
            if not is_loaded:
                scale_rates(trainer.optimizer, change.rate_factor / before.rate_factor)
            return
        if change.total_steps != before.total_steps:
            set_schedule(trainer.lr_scheduler, self._scheduler_over(change.total_steps))
        peak = trainer.args.learning_rate * change.rate_factor
        set_learning_rate(trainer.optimizer, trainer.lr_scheduler, peak, RATE_SHARE)

    def _scheduler_over(self, steps: int) -> Any:
        """One as the trainer makes it for a run of so many steps, with an optimizer of its own."""
        trainer = self._trainer
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=trainer.args.learning_rate)
        in_use, trainer.lr_scheduler = trainer.lr_scheduler, None
        try:
            return trainer.create_scheduler(steps, optimizer)
        finally:
            trainer.lr_scheduler = in_use
