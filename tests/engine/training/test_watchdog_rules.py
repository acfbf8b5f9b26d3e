"""The watchdogs' rules, without a model: silent on runs that go well, the right one speaks on each that does not."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from cockpit.engine.training import method_rules
from cockpit.engine.training import watchdog_rules as rules
from cockpit.engine.training.watchdogs import WORDS
from cockpit.recipe.watchdogs import Watchdogs
from tests.engine.training.healthy_runs import MadeUpRun, findings, healthy_run

RUNS = 200


def test_at_most_one_of_200_healthy_runs_is_barked_at() -> None:
    draw = random.Random(20)
    runs = [healthy_run(draw) for _ in range(RUNS)]
    assert min(run.steps for run in runs) < 20 and max(run.steps for run in runs) > 2500
    alarms = [(at, *first) for at, run in enumerate(runs) if (first := next(findings(run), None)) is not None]
    assert len(alarms) <= 1, alarms


def test_each_rule_is_a_field_of_the_recipe_with_its_words() -> None:
    names = {*rules.AFTER_STEP, *method_rules.AFTER_STEP, *rules.AFTER_EVALUATION, *rules.AFTER_READING, "stalled"}
    assert names == set(Watchdogs.model_fields) == set(WORDS)
    assert all(words.rule.endswith(".") and words.advice.endswith(".") for words in WORDS.values())


def nan_from(run: MadeUpRun) -> None:
    run.losses[100:] = [math.nan] * (run.steps - 100)


def infinite_once(run: MadeUpRun) -> None:
    run.losses[100] = math.inf


def zero(run: MadeUpRun) -> None:
    run.losses[100:] = [0.0] * (run.steps - 100)


def diverging_slowly(run: MadeUpRun) -> None:
    for step in range(100, run.steps):
        run.losses[step] *= 1 + (step - 100) / 25


def diverging_at_once(run: MadeUpRun) -> None:
    run.losses[100:] = [loss * 2.5 for loss in run.losses[100:]]


def flat_gradient(run: MadeUpRun) -> None:
    run.norms[100:] = [0.0] * (run.steps - 100)


def spike(run: MadeUpRun) -> None:
    run.norms[100] *= 100


def masked(run: MadeUpRun) -> None:
    run.trained_share = 0.0


def frozen_rate(run: MadeUpRun) -> None:
    run.planned = list(run.rates)
    run.rates[100:] = [run.rates[100]] * (run.steps - 100)


def slow(run: MadeUpRun) -> None:
    run.seconds[100:] = [took * 3 for took in run.seconds[100:]]


def stuck(run: MadeUpRun) -> None:
    run.seconds[100] *= 100


def overfitted(run: MadeUpRun) -> None:
    run.losses = [2.0 * math.exp(-step / 60) + 0.02 for step in range(run.steps)]
    run.evaluations = {step: 1.0 + abs(step - 100) / 100 for step in range(20, run.steps + 1, 20)}


def tight(run: MadeUpRun) -> None:
    run.vram = 0.96


def crowded(run: MadeUpRun) -> None:
    run.disk_free = run.checkpoint_bytes


SICK: list[tuple[str, Callable[[MadeUpRun], None], int]] = [
    ("loss_nan", nan_from, 101),
    ("loss_nan", infinite_once, 101),
    ("loss_zero", zero, 103),
    ("loss_diverging", diverging_slowly, 140),
    ("loss_diverging", diverging_at_once, 110),
    ("gradient_zero", flat_gradient, 103),
    ("gradient_spike", spike, 101),
    ("nothing_trained", masked, 3),
    ("learning_rate_still", frozen_rate, 111),
    ("throughput_fallen", slow, 130),
    ("stalled", stuck, 101),
    ("overfitting", overfitted, 140),
    ("vram_nearly_full", tight, 30),
    ("disk_nearly_full", crowded, 10),
]


@pytest.mark.parametrize(("name", "spoil", "by"), SICK, ids=[spoil.__name__ for _, spoil, _ in SICK])
def test_a_sign_is_found_soon_and_no_other(name: str, spoil: Callable[[MadeUpRun], None], by: int) -> None:
    run = steady_run()
    assert list(findings(run)) == []
    spoil(run)
    found = list(findings(run))
    assert {one for _, one, _ in found} == {name}
    step, _, words = found[0]
    assert step <= by
    assert words.endswith(".") and not words[0].islower()


def test_what_was_seen_on_a_real_run_is_seen() -> None:
    """A loss of 14.1 after 5.6, with a learning rate that is too high."""
    draw = random.Random(0)
    course = rules.Course()
    for step in range(1, 200):
        loss = (5.6 if step < 150 else 14.1) + 3.0 * math.exp(-step / 20) + draw.gauss(0, 0.3)
        course.add_step(step, {"loss": loss, "tokens_seen": step, "trained_tokens": step}, 1.0)
        if found := rules.loss_diverging(course):
            break
    assert 150 <= step <= 156
    assert found.startswith("The loss is ") and "after it was 5." in found


def steady_run() -> MadeUpRun:
    """200 steps of a second with some noise."""
    draw, steps = random.Random(4), 200
    return MadeUpRun(
        steps=steps,
        rates=[2e-4 * (steps - step) / steps for step in range(steps)],
        losses=[2.0 + 2.0 * math.exp(-step / 30) + draw.gauss(0, 0.1) for step in range(steps)],
        norms=[math.exp(draw.gauss(0, 0.2)) for _ in range(steps)],
        tokens=[draw.uniform(900, 1100) for _ in range(steps)],
        seconds=[draw.uniform(1.4, 1.6) for _ in range(steps)],
        evaluations={step: 2.1 + 2.0 * math.exp(-step / 30) for step in range(20, steps + 1, 20)},
    )


@pytest.mark.parametrize(
    ("waited_s", "first_step_s", "others_s", "stalls"),
    [
        (1700, None, [], False),  # the first step compiles
        (1900, None, [], True),
        (1100, 600, [], False),  # a step in ten minutes: the second one has to be waited for, too
        (1300, 600, [], True),
        (55, 0.1, [], False),
        (65, 0.1, [], True),
        (5900, 700, [600, 590], False),
        (6100, 700, [600, 590], True),
        (65, 85, [0.4], True),
    ],
)
def test_a_step_stalls_by_what_the_steps_before_it_took(
    waited_s: float, first_step_s: float | None, others_s: list[float], stalls: bool
) -> None:
    assert bool(rules.stalled(waited_s, others_s, first_step_s)) == stalls
