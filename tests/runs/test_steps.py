"""Steps taken in many at once are those taken in one by one."""

import random

import pytest

from cockpit.protocol import events as ev
from cockpit.runs.state import RunState
from cockpit.runs.steps import Steps


def step(number: int, noise: random.Random, **more: float | None) -> ev.StepEnded:
    metrics: dict[str, float | None] = {"loss": noise.random(), "grad_norm": noise.random()}
    return ev.StepEnded(
        step=number, total_steps=9999, epoch=number / 7, step_time_s=noise.random(), at=1e9 + number,
        metrics=metrics | more,
    )  # fmt: skip


def columns(steps: Steps) -> dict[str, list[float | None]]:
    """All that is known, each by its name."""
    own = ("at", "epoch", "step_time_s")
    found = {name: list(column) for name in (*own, *steps.metrics) if (column := steps.column(name)) is not None}
    return found | {"step": [float(number) for number in steps.step]}


@pytest.mark.parametrize("seed", range(4))
def test_all_at_once_is_as_one_by_one(seed: int) -> None:
    noise, events, number = random.Random(seed), list[ev.AnyEvent](), 0
    for _ in range(600):
        number = max(0, number + noise.choice([1, 1, 1, 1, 1, 1, 1, 2, -3] if seed else [1]))
        more: dict[str, float | None] = {"reward": noise.random()} if number % 5 == 0 and seed > 1 else {}
        events.append(step(number, noise, **more | ({"loss": None} if noise.random() < 0.1 and seed > 2 else {})))
        if noise.random() < 0.02:
            events.append(ev.TrainingResumed(step=max(0, number - 9), path="c", attempt=2))
            number = max(0, number - 9)
    one_by_one, at_once = RunState(), RunState()
    for event in events:
        one_by_one.apply(event)
    for first in range(0, len(events), 250):
        at_once.take(events[first : first + 250])
    assert str(columns(at_once.steps)) == str(columns(one_by_one.steps))
    assert at_once.steps.attempt_from == one_by_one.steps.attempt_from
    assert at_once.steps.stretch() == pytest.approx(one_by_one.steps.stretch())
    assert at_once.steps.pace() == one_by_one.steps.pace()


@pytest.mark.parametrize(
    ("fall_a_step", "spread", "wanted"),
    [(0.002, 0.05, -1), (-0.002, 0.05, 1), (0.0, 0.05, 0), (0.0, 0.0, 0), (0.0001, 0.2, 0), (0.1, 0.2, -1)],
)
def test_the_loss_has_a_direction_where_noise_does_not_explain_it(
    fall_a_step: float, spread: float, wanted: int
) -> None:
    noise, steps = random.Random(7), Steps()
    steps.extend(
        [step(number, noise, loss=3 - fall_a_step * number + noise.gauss(0, spread)) for number in range(1, 1001)]
    )
    assert steps.direction_of("loss") == wanted
    steps.append(step(1001, noise, loss=None))
    assert steps.direction_of("loss") is None


def test_a_few_losses_have_no_direction_yet() -> None:
    steps, found = Steps(), []
    for number in range(1, 8):
        steps.append(step(number, random.Random(1), loss=4.0 - number / 10))
        found.append(steps.direction_of("loss"))
    assert found == [None] * 5 + [-1, -1]


def test_evaluations_are_a_table_too() -> None:
    state = RunState()
    for at, loss in ((0, 3.0), (10, 2.0), (20, None), (20, 1.0), (30, 0.5)):
        state.apply(ev.Evaluated(step=at, duration_s=1, metrics={"eval_loss": loss}))
    assert list(state.held_out.step) == [0, 10, 20, 30]
    assert list(state.held_out.metrics["eval_loss"]) == [3.0, 2.0, 1.0, 0.5]
    state.apply(ev.TrainingResumed(step=20, path="c", attempt=2))
    assert state.held_out.step == [0, 10, 20]


def test_shares_of_the_time_are_those_of_the_last_steps_without_the_first_one() -> None:
    def took(number: int, data: float | None, model: float | None, whole: float) -> ev.StepEnded:
        return ev.StepEnded(
            step=number, total_steps=9, epoch=0, step_time_s=whole, data_s=data, forward_backward_s=model, metrics={},
            batch_tokens=64 if data is not None else None,
        )  # fmt: skip

    steps = Steps()
    steps.append(took(1, 90.0, 9.0, 99.0))
    assert steps.shares() is None
    steps.extend([took(2, 0.1, 0.6, 1.0), took(3, 0.3, 0.8, 1.0)])
    assert steps.shares() == pytest.approx((0.2, 0.7, 0.1))
    assert steps.batch_tokens_per_s() == 64
    steps.begin_attempt()
    steps.extend([took(4, 0.0, 1.0, 5.0), took(5, None, None, 1.0)])
    assert steps.shares() is None and steps.batch_tokens_per_s() is None
