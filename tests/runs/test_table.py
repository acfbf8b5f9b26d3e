"""Figures by step: which rows are whose, and what charts read of them."""

import math
import random
from math import inf, nan

import pytest

from cockpit.runs.table import StepNumbers, Table


def table(values: dict[int, float]) -> Table:
    new = Table()
    new.add(list(values), {"loss": list(values.values())})
    return new


def dot_column(step: int, first: int, last: int, count: int) -> int:
    """The column of dots in which a step is drawn."""
    return math.floor((step - first) * (count - 1) / (last - first) + 0.5)


def test_steps_are_numbered_whatever_is_missing() -> None:
    it = StepNumbers()
    assert (len(it), it.row_from(5)) == (0, 0)
    for steps in ([0, 1, 2], [3, 4], [10], [11, 12, 20, 30, 31]):
        it.extend(steps)
    all_steps = [0, 1, 2, 3, 4, 10, 11, 12, 20, 30, 31]
    assert it == all_steps == list(it) == [it[row] for row in range(11)]
    assert (it[-1], it[1:3], it[8:]) == (31, [1, 2], [20, 30, 31])
    assert [it.row_from(step) for step in range(33)] == [sum(one < step for one in all_steps) for step in range(33)]
    with pytest.raises(IndexError):
        it[11]
    for rows in (9, 6, 3, 0):
        it.cut(rows)
        assert it == all_steps[:rows]
    it.extend([7, 8])
    assert it == [7, 8]


@pytest.mark.parametrize(("first", "last", "count"), [(1, 3000, 150), (0, 100, 150), (700, 733, 7), (1, 9999, 2)])
def test_a_column_of_dots_has_the_extent_of_its_steps(first: int, last: int, count: int) -> None:
    noise = random.Random(4)
    values = {step: noise.gauss(0, 1) for step in range(1, 3001) if step % 7}
    it = table(values)
    wanted: list[list[float]] = [[] for _ in range(count)]
    for step, value in values.items():
        if first <= step <= last:
            wanted[dot_column(step, first, last, count)].append(value)
    assert it.extents("loss", first, last, count) == [(min(part), max(part)) if part else None for part in wanted]
    totals = it.totals("loss", first, last, count)
    assert [total and total[1] for total in totals] == [len(part) or None for part in wanted]
    assert [total[0] for total in totals if total] == [pytest.approx(sum(part)) for part in wanted if part]
    assert it.extent("loss", first, last) == (min(map(min, filter(None, wanted))), max(map(max, filter(None, wanted))))


@pytest.mark.parametrize("window", [(1, 900, 40), (1, 100, 300), (250, 270, 6)])
def test_what_is_remembered_of_a_curve_is_right_as_it_grows(window: tuple[int, int, int]) -> None:
    noise, it, values = random.Random(2), Table(), dict[int, float]()
    for step in range(1, 301):
        values[step] = noise.choice((noise.gauss(0, 1), noise.gauss(0, 1), nan))
        it.add([step], {"loss": [values[step]]})
        if noise.random() < 0.1:
            back = noise.randrange(1, 20)
            it.cut(max(1, len(it) - back))
            values = {step: value for step, value in values.items() if step <= it.newest_step}
        fresh = table(values)
        assert it.extents("loss", *window) == fresh.extents("loss", *window)
        assert it.course_extent("loss", *window[:2]) == fresh.extent("loss", *window[:2])
        assert it.totals("loss", *window) == fresh.totals("loss", *window)


def test_gaps_and_breaks() -> None:
    it = table({1: 1.0, 2: inf, 3: nan, 4: nan, 5: 2.0})
    assert it.extents("loss", 1, 5, 5) == [(1.0, 1.0), None, None, None, (2.0, 2.0)]
    assert it.breaks("loss", 1, 5, 5) == [2, 3]
    assert it.breaks("loss", 4, 5, 2) == [0] and it.breaks("loss", 5, 6, 2) == []
    assert (it.extents("reward", 1, 5, 2), it.totals("reward", 1, 5, 2), it.breaks("reward", 1, 5, 2)) == (
        [None, None],
        [None, None],
        [],
    )


def test_breaks_in_a_table_of_any_length() -> None:
    it = table({step: nan if 50_000 <= step < 75_000 else 1.0 for step in range(1, 100_001)})
    assert it.breaks("loss", 1, 100_000, 101) == list(range(50, 76))
    assert it.extent("loss", 50_000, 74_999) is None


def test_the_value_under_a_cursor() -> None:
    it = table({1: 1.5, 2: nan, 3: inf, 9: 4.0})
    assert (it.value_at("loss", 1), it.value_at("loss", 3), it.value_at("loss", 9)) == (1.5, None, 4.0)
    assert (it.value_at("loss", 5), it.value_at("loss", 10), it.value_at("reward", 1)) == (None, None, None)
    assert math.isnan(it.value_at("loss", 2) or 0.0)
    assert it.recent("loss", 2) == [None, 4.0] and it.recent("reward", 2) == []


def test_a_sample_is_spread_over_all_steps() -> None:
    it = table({step: float(step) for step in range(1, 100_001)})
    for most in (100, 50_000):
        sample = it.sample("loss", 1, 100_000, most)
        assert most / 2 < len(sample) <= most and sample == sorted(sample)
        assert sample[len(sample) // 2] == pytest.approx(50_000, rel=0.05)
    assert it.sample("loss", 5, 7) == [5.0, 6.0, 7.0] and it.sample("reward", 5, 7) == []


def test_rows_are_cut_and_figures_come_late() -> None:
    it = table({1: 1.0, 2: 2.0, 3: 3.0})
    it.add([4], {"reward": [7.0]})
    assert list(it.metrics["loss"]) == [1.0, 2.0, 3.0, None] and list(it.metrics["reward"]) == [None, None, None, 7.0]
    assert (it.newest_step, it.latest("loss"), it.latest("reward"), it.latest("x")) == (4, 3.0, 7.0, None)
    it.cut(2)
    assert (list(it.metrics["loss"]), it.latest("reward"), len(it)) == ([1.0, 2.0], None, 2)
    assert Table().newest_step == 0
