"""Every scheduler with warm-up, a factor, more steps and a resume: the rate of each step is the planned one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Trainer, TrainingArguments

from cockpit.engine.training.learning_rate import schedule_arguments, take_up_schedule
from cockpit.engine.training.schedule import Schedule
from cockpit.engine.training.trainer import run_trainer
from cockpit.protocol.events import ScheduleChange, TrainingPlanned
from cockpit.recipe.scheduler import SchedulerSettings
from cockpit.recipe.training import Training
from cockpit.runs.schedule_changes import carried_over, planned_rates

STEPS, MORE = 40, 17
KINDS: dict[str, dict[str, Any]] = {
    "linear": {},
    "cosine": {"num_cycles": 0.7},
    "cosine_with_restarts": {"num_cycles": 3},
    "polynomial": {"lr_end": 1e-5, "power": 2.0},
    "constant": {},
    "constant_with_warmup": {},
    "inverse_sqrt": {"timescale": 9},
    "cosine_with_min_lr": {"min_lr": 1e-4},
    "cosine_warmup_with_min_lr": {"min_lr_rate": 0.1, "warmup_lr_rate": 0.05},
    "warmup_stable_decay": {"num_decay_steps": 8, "decay_type": "linear"},
}
WARMUPS: list[dict[str, Any]] = [{}, {"warmup_steps": 7}, {"warmup_ratio": 0.15}]


def make_trainer(folder: Path, training: Training) -> Any:
    """A real one over a model of one weight, at its first step."""
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        max_steps=STEPS,
        learning_rate=training.learning_rate,
        optim="sgd",
        report_to="none",
        **schedule_arguments(training, has_held_out=True),
    )
    trainer = run_trainer(Trainer)(model=torch.nn.Linear(1, 1), args=arguments)
    trainer.training, trainer.state.max_steps = training, STEPS
    trainer.create_optimizer_and_scheduler(STEPS)
    return trainer


def take_steps(trainer: Any, schedule: Schedule, first: int, last: int) -> list[float]:
    rates = []
    for step in range(first, last + 1):
        rates.append(trainer.optimizer.param_groups[0]["lr"])
        assert schedule.planned(step) == pytest.approx(rates[-1], rel=1e-9, abs=1e-18)
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
        trainer.state.global_step = step
        schedule.after(step)
    return rates


@pytest.mark.parametrize("warmup", WARMUPS, ids=["no warm-up", "steps", "share"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_step_takes_the_rate_that_is_planned(tmp_path: Path, kind: str, warmup: dict[str, Any]) -> None:
    if kind == "constant":
        warmup = {}
    training = Training(
        learning_rate=0.002,
        max_steps=STEPS,
        lr_scheduler_type=kind,  # type: ignore[arg-type]
        lr_scheduler_kwargs=SchedulerSettings(**KINDS[kind]) if KINDS[kind] else None,
        **warmup,
    )
    trainer = make_trainer(tmp_path, training)
    schedule = Schedule(trainer)
    rates = take_steps(trainer, schedule, 1, 5)
    halved = schedule.change(5, factor=0.5)
    rates += take_steps(trainer, schedule, 6, 12)
    saved = trainer.lr_scheduler.state_dict()
    rates += take_steps(trainer, schedule, 13, 20)
    longer = schedule.change(20, factor=3.0, added_steps=MORE)
    rates += take_steps(trainer, schedule, 21, STEPS + MORE)
    changes = (halved, longer)
    assert changes == (
        ScheduleChange(step=5, rate_factor=0.5, total_steps=STEPS),
        ScheduleChange(step=20, rate_factor=1.5, total_steps=STEPS + MORE),
    )
    plan = TrainingPlanned(
        total_steps=STEPS + MORE,
        steps_per_epoch=1,
        trainable_parameters=1,
        total_parameters=1,
        recipe_steps=STEPS,
        learning_rate=0.002,
        changes=changes,
    )
    assert rates == pytest.approx(list(planned_rates(training, plan)), rel=1e-9, abs=1e-18)

    again = make_trainer(tmp_path, training)
    again.state.global_step = 12
    take_up_schedule(again, saved, carried_over(plan, 0.002, STEPS))
    resumed = Schedule(again, carried_over(plan, 0.002, STEPS), step=12)
    assert take_steps(again, resumed, 13, STEPS + MORE) == rates[12:], "to the last bit"
