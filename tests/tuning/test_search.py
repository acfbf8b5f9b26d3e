"""Which values a search tries, and which trial is behind."""

from __future__ import annotations

import math

import pytest

from cockpit.tuning.search import Tried, is_behind, next_values
from cockpit.tuning.search_space import Range, setting_of, space_of

SPACE = space_of(["training.learning_rate=1e-5..1e-2", "lora.r=4..64", "training.optim=adamw_torch,adamw_8bit"])


def test_ranges_and_choices() -> None:
    rate, rank, optimizer = SPACE
    assert (rate.low, rate.high, rate.is_whole, rate.is_log) == (1e-5, 1e-2, False, True)
    assert (rank.low, rank.high, rank.is_whole, rank.is_log) == (4, 64, True, True)
    assert optimizer.choices == ("adamw_torch", "adamw_8bit")
    assert not space_of(["lora.lora_dropout=0..0.2"])[0].is_log
    assert setting_of("training.learning_rate", 2.34e-4) == "training.learning_rate=0.000234"
    assert setting_of("lora.r", 16) == "lora.r=16"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["lora.r"], "names no values"),
        (["lora.r=8"], "one value alone"),
        (["lora.r=16..8"], "the lower end comes first"),
        (["lora.r=a..b"], "are numbers"),
        (["lora.r=1..inf"], "the lower end comes first"),
        (["lora.r=4,8", "lora.r=16,32"], "twice"),
    ],
)
def test_what_is_no_range_is_refused(given: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        space_of(given)


def loss(values: dict[str, int | float | str]) -> float:
    """Lowest at a rate of 3e-4 and a rank of 16."""
    return 1 + abs(math.log10(float(values["rate"]) / 3e-4)) + 0.1 * abs(math.log2(float(values["rank"]) / 16))


def test_it_goes_to_where_the_metric_is_best() -> None:
    space = [Range("rate", 1e-6, 1e-1), Range("rank", 4, 64, is_whole=True)]
    tried: list[Tried] = []
    for _ in range(24):
        values = next_values(space, tried, more_is_better=False, seed=1)
        assert values is not None
        assert all(one.holds(values[one.field]) for one in space)
        tried.append(Tried(values, "completed", {1: loss(values)}))
    first, last = ([min(one.measured.values()) for one in part] for part in (tried[:8], tried[-8:]))
    assert min(loss(one.values) for one in tried) < 1.5 and sum(last) < sum(first)
    again = next_values(space, tried[:5], more_is_better=False, seed=1)
    assert again == tried[5].values, "the same trials are followed by the same one"


@pytest.mark.parametrize("over", [["a=8,16", "b=1..3"], ["a=x,y,z"], ["a=5..40"]])
def test_nothing_is_tried_twice_and_all_is_tried(over: list[str]) -> None:
    space, tried = space_of(over), list[Tried]()
    while (values := next_values(space, tried, more_is_better=False, seed=1)) is not None:
        assert values not in [one.values for one in tried]
        tried.append(Tried(values, "completed", {1: float(len(str(values)))}))
    assert len(tried) == math.prod(len(one.listed) for one in space)


def test_rounding_stays_inside() -> None:
    values = next_values([Range("rate", 0.12345, 0.12349)], [], more_is_better=False, seed=1)
    assert values is not None and 0.12345 <= float(values["rate"]) <= 0.12349


def test_behind_is_what_the_median_of_the_others_beats_at_the_same_step() -> None:
    done = [Tried({"rate": 1e-3}, "completed", {10: 2.0, 20: value, 30: 1.0}) for value in (1.4, 1.5, 1.6)]

    def is_late(measured: dict[int, float], others: list[Tried] = done, *, more_is_better: bool = False) -> bool:
        return is_behind(others, Tried({"rate": 1e-2}, "runs", measured), more_is_better=more_is_better)

    assert is_late({10: 2.0, 20: 1.7})
    assert not is_late({10: 2.0, 20: 1.3}) and not is_late({10: 2.0, 20: 1.5})
    assert not is_late({}) and not is_late({0: 99.0})
    assert not is_late({10: 2.0, 20: 9.0}, done[:2]), "two are too few to tell"
    assert not is_late({10: 2.0, 25: 9.0}), "none of the others was measured there"
    assert is_late({10: 0.0, 20: 1.0}, more_is_better=True)
    assert not is_late({10: 0.0, 20: 1.6}, more_is_better=True)


def test_a_good_start_does_not_keep_what_goes_bad() -> None:
    done = [Tried({"rate": 1e-3}, "completed", {20: 2.0, 40: 1.5, 60: 1.2})] * 3
    for going_bad in ({20: 1.1, 40: 50.0, 60: 900.0}, {20: 1.1, 40: 1.6}, {20: 1.1, 40: math.nan}):
        assert is_behind(done, Tried({"rate": 1e-2}, "runs", going_bad), more_is_better=False)
        assert is_behind(done, Tried({"rate": 1e-2}, "runs", {20: 3.0, 40: math.nan}), more_is_better=True)
    diverged = Tried({"rate": 1e-2}, "completed", {20: 2.0, 40: math.nan, 60: math.nan})
    assert diverged.best(more_is_better=False) == 2.0
    assert not is_behind([*done, diverged], Tried({"rate": 1e-2}, "runs", {60: 1.2}), more_is_better=False)
    values = next_values([Range("rate", 1e-6, 1e-1)], [*done, diverged], more_is_better=False, seed=1)
    assert values is not None and 1e-6 <= float(values["rate"]) <= 1e-1
