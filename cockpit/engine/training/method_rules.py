"""Signs that a method other than sft goes wrong: rules on what TRL measures of it beside the loss. No torch here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from cockpit.engine.training.watchdog_rules import AT_ONCE, OUTLIER, Course, Rule, spread
from cockpit.text.numbers import count, metric, percent

MARGIN, KL, REWARD, LENGTH, CUT = (
    "rewards/margins", "kl", "reward", "completions/mean_length", "completions/clipped_ratio",
)  # fmt: skip
WATCHED = (MARGIN, KL, REWARD, LENGTH, CUT)
"""What the rules look at, by the names that TRL logs."""
PATIENCE = 64
"""Steps after which a margin must be above 0, and before which no course is judged."""
KL_TIMES, LEAST_KL = 10.0, 0.5
FALLEN = 0.5
"""Share of what a reward had gained that may be lost again."""
GROWN = 2.0
CUT_SHARE = 0.5


def margin_still(course: Course) -> str:
    """A margin that noise alone holds above 0 teaches no preference."""
    margins = course.of(MARGIN)
    if len(margins) < PATIENCE:
        return ""
    last = margins[-2 * AT_ONCE :]
    if median(last) > 2 * _noise(last) / math.sqrt(len(last)):
        return ""
    now = f"is {metric(median(last))} at step {count(course.step)}"
    return f"The margin between better and worse answers {now}: no better than 0."


def kl_far(course: Course) -> str:
    """How far the model has gone from where it began, against what is usual in this run."""
    known = course.of(KL)
    if len(known) < PATIENCE:
        return ""
    usual, now = median(known[: -2 * AT_ONCE]), median(known[-AT_ONCE:])
    if now <= max(LEAST_KL, KL_TIMES * usual):
        return ""
    return f"The KL divergence from the model at the beginning is {metric(now)}; usual is {metric(usual)}."


def reward_collapsed(course: Course) -> str:
    """What was gained is lost again, beyond noise."""
    rewards = course.of(REWARD)
    if len(rewards) < 4 * AT_ONCE:
        return ""
    blocks = _medians(rewards)
    first, best, now = blocks[0], max(blocks[:-1]), blocks[-1]
    if best - now <= max(FALLEN * (best - first), OUTLIER / 2 * _noise(rewards), 1e-6):
        return ""
    return f"The reward is {metric(now)} after it was {metric(best)} (step {count(course.step)})."


def length_growing(course: Course) -> str:
    """Completions that grow until they are cut off are often written for the reward, and not for the reader."""
    lengths, cut = course.of(LENGTH), course.of(CUT)
    if len(lengths) < 4 * AT_ONCE:
        return ""
    first, now = median(lengths[:AT_ONCE]), median(lengths[-AT_ONCE:])
    share = median(cut[-AT_ONCE:]) if cut else 0.0
    if now < GROWN * first or share < CUT_SHARE:
        return ""
    long = f"Completions have {count(now)} tokens in the mean, and had {count(first)}"
    return f"{long}; {percent(share)} of them are cut off."


AFTER_STEP: dict[str, Rule] = {
    "margin_still": margin_still,
    "kl_far": kl_far,
    "reward_collapsed": reward_collapsed,
    "length_growing": length_growing,
}


def _noise(values: Sequence[float]) -> float:
    """The standard deviation of what comes and goes from step to step, whatever the course is."""
    return spread([after - before for before, after in pairwise(values)]) / math.sqrt(2)


def _medians(values: Sequence[float]) -> list[float]:
    """Of AT_ONCE values each, the newest last and whole."""
    begin = len(values) % AT_ONCE
    return [median(values[at : at + AT_ONCE]) for at in range(begin, len(values), AT_ONCE)]
