"""Watchdogs of methods that compare answers or draw them: each fires on its sign, and on no healthy course."""

import random

import pytest

from cockpit.engine.training.method_rules import AFTER_STEP, WATCHED
from cockpit.engine.training.watchdog_rules import Course


def course(**figures: list[float]) -> Course:
    """A run in which TRL has measured these, by their names with _ in place of /."""
    names = {name.replace("/", "_"): name for name in WATCHED}
    found = Course(watched=WATCHED)
    for step in range(len(next(iter(figures.values())))):
        found.add_step(step + 1, {names[name]: values[step] for name, values in figures.items()}, 1.0)
    return found


def noisy(values: list[float], by: float) -> list[float]:
    rng = random.Random(0)
    return [value + rng.gauss(0, by) for value in values]


FIRES = {
    "margin_still": (
        course(rewards_margins=noisy([0.0] * 80, 0.05)),
        "The margin between better and worse answers is ",
    ),
    "kl_far": (
        course(kl=[0.02] * 60 + [5.0] * 20),
        "The KL divergence from the model at the beginning is 5.000; usual is 0.0200.",
    ),
    "reward_collapsed": (
        course(reward=noisy([at / 40 for at in range(40)] + [0.05] * 16, 0.02)),
        "The reward is 0.0",
    ),
    "length_growing": (
        course(
            completions_mean_length=[20.0 + at for at in range(60)], completions_clipped_ratio=[0.0] * 30 + [0.9] * 30
        ),
        "Completions have 76 tokens in the mean, and had 24; 90 % of them are cut off.",
    ),
}
HEALTHY = [
    course(rewards_margins=noisy([at / 100 for at in range(80)], 0.05)),
    course(rewards_margins=noisy([1 - 0.97**at for at in range(400)], 0.05)),
    course(kl=noisy([0.02 * at for at in range(120)], 0.1)),
    course(reward=noisy([1 - 0.95**at for at in range(120)], 0.1)),
    course(completions_mean_length=noisy([40.0] * 80, 8.0), completions_clipped_ratio=[0.2] * 80),
]


@pytest.mark.parametrize("name", FIRES)
def test_a_sign_is_told(name: str) -> None:
    found, says = FIRES[name]
    assert AFTER_STEP[name](found).startswith(says)


@pytest.mark.parametrize("name", AFTER_STEP)
def test_nothing_is_told_of_a_healthy_course(name: str) -> None:
    assert [AFTER_STEP[name](one) for one in HEALTHY] == [""] * len(HEALTHY)
    assert AFTER_STEP[name](Course()) == ""
