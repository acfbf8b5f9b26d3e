"""The schedule of the learning rate: what the trainer is told of it, and how a resumed run takes it up"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from cockpit.engine.compat.private_names import follows_evaluations, set_learning_rate
from cockpit.engine.errors import RunFailure
from cockpit.protocol.events import ScheduleChange
from cockpit.recipe.learning_rates import why_no_room
from cockpit.recipe.number import number_text
from cockpit.recipe.scheduler import FOLLOWS_EVALUATIONS
from cockpit.recipe.training import Training

RATE_SHARE = "rate_share"
"""Stands in a group of the optimizer's weights that takes only so much of the learning rate."""
ASKED_FOR = "asked_for"
"""Stands in the trainer's log with an evaluation that a reader has asked for: no schedule is told of it."""


def schedule_arguments(training: Training, *, has_held_out: bool) -> dict[str, Any]:
    """The recipe's schedule in the words of TrainingArguments. Raises RunFailure where it cannot be followed."""
    from transformers import SchedulerType, __version__

    kind = training.lr_scheduler_type
    if kind not in {one.value for one in SchedulerType}:
        raise RunFailure(
            f"transformers {__version__} has no scheduler called {kind}.",
            "Update transformers, or give another training.lr_scheduler_type.",
        )
    settings: dict[str, Any] = training.lr_scheduler_kwargs.given() if training.lr_scheduler_kwargs else {}
    if kind in FOLLOWS_EVALUATIONS:
        if not has_held_out:
            raise RunFailure(
                f"{kind} follows the evaluations, and there are no held-out rows to measure.",
                "Give more rows, or another training.lr_scheduler_type.",
            )
        settings["mode"] = "max" if more_is_better(training) else "min"
    if "num_cycles" in settings and settings["num_cycles"] == int(settings["num_cycles"]):
        settings["num_cycles"] = int(settings["num_cycles"])
    return {
        "lr_scheduler_type": kind,
        "lr_scheduler_kwargs": settings or None,
        # A share of all steps where it is below 1.
        "warmup_steps": training.warmup_steps if training.warmup_ratio is None else training.warmup_ratio,
    }


def more_is_better(training: Training) -> bool:
    """Whether more of the metric that evaluations are compared by is better, as transformers has it."""
    if training.greater_is_better is not None:
        return training.greater_is_better
    return not training.metric_for_best_model.endswith("loss")


def refuse_without_room(training: Training, total_steps: int) -> None:
    """Raises RunFailure where the schedule does not fit into so many steps: transformers would fail after the last."""
    if wrong := why_no_room(training, total_steps):
        raise RunFailure(
            f"The learning rate's schedule does not fit: {wrong}.",
            "Give fewer steps of warm-up or decay, or train for longer.",
        )


def take_up_schedule(trainer: Any, saved: dict[str, Any], changes: Iterable[ScheduleChange] = ()) -> None:
    """Let a resumed run take the rate that its recipe's schedule has after the checkpoint's step, as if schedule and
    learning rate had always been so. `saved` is the checkpoint's schedule, which may be of another kind.

    A schedule that follows the evaluations is given all that were made until then, once more, but for those that were
    asked for on the way, and takes each factor of `changes` between them at its step.
    """
    args, state, optimizer, scheduler = trainer.args, trainer.state, trainer.optimizer, trainer.lr_scheduler
    if follows_evaluations(scheduler):
        for group in optimizer.param_groups:
            group["lr"] = args.learning_rate * group.get(RATE_SHARE, 1.0)
        told = [one for one in state.log_history if args.metric_for_best_model in one and one["step"] > 0]
        evaluations = [(one["step"], 0, one[args.metric_for_best_model]) for one in told if ASKED_FOR not in one]
        factors = [(one.step, 1, one.rate_factor) for one in changes if one.step <= state.global_step]
        holds = 1.0
        for _, is_factor, value in sorted(evaluations + factors, key=itemgetter(0, 1)):
            if is_factor:
                scale_rates(optimizer, value / holds)
                holds = value
            else:
                scheduler.step(value)
        return
    if "lr_lambdas" in saved:
        scheduler.load_state_dict(saved)
    else:
        scheduler.last_epoch = state.global_step
    set_learning_rate(optimizer, scheduler, args.learning_rate, RATE_SHARE)


def scale_rates(optimizer: Any, factor: float) -> None:
    """Take the present rate times a factor, where a schedule moves it from there."""
    for group in optimizer.param_groups:
        group["lr"] *= factor


def told_change(before: float, now: float, metric: str) -> str:
    """That a schedule which follows the evaluations has moved the rate, in a sentence."""
    moved, why = ("lowered", "got no better") if now < before else ("raised", "got better")
    return f"The learning rate is {moved} from {number_text(before)} to {number_text(now)}: {metric} {why}."
