"""What a run was asked for of its schedule: the plan that is drawn, and what of it the next attempt keeps."""

import pytest

from cockpit.protocol import events as ev
from cockpit.recipe.learning_rates import learning_rates
from cockpit.recipe.training import Training
from cockpit.runs.schedule_changes import carried_over, planned_rates, told
from cockpit.runs.state import RunState

TRAINING = Training(learning_rate=0.1, lr_scheduler_type="cosine", warmup_ratio=0.2, max_steps=20)


def plan(*changes: ev.ScheduleChange) -> ev.TrainingPlanned:
    total = changes[-1].total_steps if changes else 20
    return ev.TrainingPlanned(
        total_steps=total,
        steps_per_epoch=10,
        trainable_parameters=1,
        total_parameters=2,
        recipe_steps=20,
        learning_rate=0.1,
        changes=changes,
    )


def change(step: int, factor: float, total: int) -> ev.ScheduleChange:
    return ev.ScheduleChange(step=step, rate_factor=factor, total_steps=total)


def state_of(*events: ev.AnyEvent) -> RunState:
    state = RunState()
    for event in events:
        state.apply(event)
    return state


def test_each_step_has_the_rate_of_the_schedule_that_held_when_it_was_taken() -> None:
    rates = planned_rates(TRAINING, plan(change(5, 0.5, 20), change(12, 0.5, 30)))
    first, longer = learning_rates(TRAINING, 20), learning_rates(TRAINING, 30)
    assert list(rates) == [*first[:5], *(rate / 2 for rate in first[5:12]), *(rate / 2 for rate in longer[12:])]
    assert list(planned_rates(TRAINING, plan())) == first
    assert (rates[-1], rates[11:13], len(rates)) == (longer[29] / 2, [first[11] / 2, longer[12] / 2], 30)


def test_the_state_has_what_was_asked_for_in_its_plan() -> None:
    state = state_of(
        plan(),
        ev.ScheduleChanged(step=5, rate_factor=0.5, total_steps=20, factor=0.5),
        ev.ScheduleChanged(step=5, rate_factor=0.25, total_steps=20, factor=0.5),
        ev.ScheduleChanged(step=7, rate_factor=0.25, total_steps=30, added_steps=10),
    )
    assert state.plan is not None
    assert state.plan.changes == (change(5, 0.25, 20), change(7, 0.25, 30))
    assert state.total_steps == 30


def test_what_is_asked_for_now_replaces_what_was_asked_for_later_steps() -> None:
    state = state_of(plan(change(15, 0.5, 20)), ev.ScheduleChanged(step=9, rate_factor=0.1, total_steps=20))
    assert state.plan is not None and state.plan.changes == (change(9, 0.1, 20),)


@pytest.mark.parametrize(
    ("rate", "steps", "kept"),
    [
        (0.1, 20, (change(5, 0.5, 20), change(7, 0.5, 30))),
        (0.2, 20, (change(7, 1.0, 30),)),  # the recipe has another rate now: its word counts
        (0.1, 25, (change(5, 0.5, 25),)),
        (0.2, 25, ()),
    ],
)
def test_a_field_that_was_changed_for_the_resume_means_what_it_says(
    rate: float, steps: int, kept: tuple[ev.ScheduleChange, ...]
) -> None:
    before = plan(change(5, 0.5, 20), change(7, 0.5, 30))
    assert carried_over(before, rate, steps) == kept
    assert carried_over(None, rate, steps) == ()


def test_a_change_in_words() -> None:
    assert told(change(5, 0.5, 20), 20) == "learning rate × 0.5 from step 6 on"
    assert told(change(7, 1.0, 30), 20) == "30 steps in all from step 8 on"
    assert told(change(7, 0.25, 30), 20) == "learning rate × 0.25 and 30 steps in all from step 8 on"
