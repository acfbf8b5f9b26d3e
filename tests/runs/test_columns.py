"""Columns of any length: what they hold, what lies on the disk, what a chart reads of them."""

from __future__ import annotations

import errno
import math
import os
import random
from array import array
from math import inf, nan

import pytest

from cockpit.runs.columns import BLOCK, CHUNK, KEPT, Column, Shelf, raw_values

LONG = KEPT + 3 * CHUNK + 37
"""Rows of a column that has put chunks by."""


def column(*values: float) -> Column:
    new = Column(Shelf())
    new.extend(values)
    return new


def long_column(seed: int = 1) -> tuple[Column, list[float]]:
    """A long one with gaps and breaks, and its raw values."""
    noise = random.Random(seed)
    values = [noise.gauss(0, 1) for _ in range(LONG)]
    for row in noise.sample(range(LONG), LONG // 500):
        values[row] = noise.choice((nan, inf))
    values[9 * BLOCK : 12 * BLOCK] = [nan] * (3 * BLOCK)
    values[20 * BLOCK : 21 * BLOCK] = [inf] * BLOCK
    new = Column(Shelf())
    for first in range(0, LONG, 1000):
        new.extend(values[first : first + 1000])
    return new, values


def same(found: list[float] | array[float], wanted: list[float]) -> bool:
    """Whether raw values are equal, NaN to NaN."""
    return len(found) == len(wanted) and all(a == b or (a != a and b != b) for a, b in zip(found, wanted, strict=True))


def test_a_column_is_a_sequence_of_what_was_measured() -> None:
    it = column(1.0, inf, nan, 2.5)
    assert it == [1.0, None, nan, 2.5] or [it[0], it[1], it[3]] == [1.0, None, 2.5]
    assert math.isnan(it[2] or 0.0)
    assert (it[-1], it[:2], it[-1:], it[::3], len(it)) == (2.5, [1.0, None], [2.5], [1.0, 2.5], 4)
    assert it == column(1.0, inf, nan, 2.5) and it != column(1.0)
    with pytest.raises(IndexError):
        it[4]
    assert column().newest_known() is None and column(inf).oldest_known() is None
    assert column(inf, 3.0, 4.0, inf).newest_known() == 4.0 and column(inf, 3.0, 4.0).oldest_known() == 3.0


def test_none_and_what_is_not_finite_was_measured() -> None:
    assert same([*raw_values([1.0, None, inf, -inf, nan])], [1.0, nan, nan, nan, nan])
    assert raw_values((1.0, 2.0)) == (1.0, 2.0)


def test_what_was_put_by_is_read_as_it_was() -> None:
    it, values = long_column()
    assert same(it.raw(0, LONG), values)
    for first, last in ((0, 1), (CHUNK - 1, CHUNK + 1), (2 * CHUNK, LONG), (LONG - 5, LONG + 5), (-3, 2), (7, 7)):
        assert same(it.raw(first, last), values[max(0, first) : last])
    assert it[CHUNK + 5] == values[CHUNK + 5]


def test_most_of_a_long_column_is_on_the_disk_and_not_in_memory() -> None:
    import tracemalloc

    tracemalloc.start()
    it = Column(Shelf())
    for _ in range(40):
        it.extend([0.5] * KEPT)
    it.extent(0, len(it))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(it) == 40 * KEPT
    assert held < 8 * len(it) / 5


@pytest.mark.parametrize("seed", range(3))
def test_summaries_are_exact(seed: int) -> None:
    it, values = long_column(seed)
    noise = random.Random(seed)
    stretches = [(0, LONG), (9 * BLOCK, 12 * BLOCK), (20 * BLOCK, 21 * BLOCK), (5, 5), (LONG - 3, LONG + 9)]
    stretches += [(first, first + noise.randrange(3 * BLOCK)) for first in (noise.randrange(LONG) for _ in range(50))]
    for first, last in stretches:
        finite = [value for value in values[first:last] if math.isfinite(value)]
        broken = [row for row in range(first, min(last, LONG)) if math.isnan(values[row])]
        assert it.extent(first, last) == ((min(finite), max(finite)) if finite else None)
        total, count = it.total(first, last)
        assert total == pytest.approx(sum(finite), abs=1e-9) and count == len(finite)
        assert it.is_broken(first, last) is bool(broken)
    assert it.broken_count() == sum(map(math.isnan, values))


def test_since_when_a_figure_is_broken() -> None:
    it = column(1.0)
    assert it.broken_since() is None and column().broken_since() is None
    it.extend([nan] * (3 * BLOCK + 5))
    assert it.broken_since() == 1
    it.extend([nan] * KEPT)
    assert it.broken_since() == 1
    it.extend([inf])
    assert it.broken_since() is None
    it.extend([nan])
    assert it.broken_since() == len(it) - 1
    assert column(nan, nan).broken_since() == 0


@pytest.mark.parametrize("rows", [0, 5, CHUNK, CHUNK + 70, KEPT + CHUNK, LONG - 1, LONG])
def test_what_was_cut_is_forgotten(rows: int) -> None:
    it, values = long_column()
    it.extent(0, LONG)
    it.cut(rows)
    assert same(it.raw(0, LONG), values[:rows])
    it.extend(values[rows:])
    assert same(it.raw(0, LONG), values)
    fresh, _ = long_column()
    assert it.extent(0, LONG) == fresh.extent(0, LONG) and it.broken_count() == fresh.broken_count()


def test_a_place_on_the_disk_is_used_again() -> None:
    it, _ = long_column()
    ends = []
    for _ in range(5):
        it.cut(10)
        it.extend([1.0] * (LONG - 10))
        ends.append(it.raw(CHUNK, CHUNK + 1)[0])
        it.cut(LONG - 1)
    assert ends == [1.0] * 5
    shelf = Shelf()
    first = shelf.put(array("d", [1.0] * CHUNK))
    assert first is not None
    shelf.drop(first)
    assert shelf.put(array("d", [2.0] * CHUNK)) == first
    assert shelf.get(first, 0, 2) == array("d", [2.0, 2.0])


def test_a_figure_that_came_late_has_no_past() -> None:
    it = Column(Shelf(), 2 * CHUNK + 3)
    it.extend([1.0] * BLOCK)
    assert len(it) == 2 * CHUNK + 3 + BLOCK
    assert it[2 * CHUNK + 2] is None and it[CHUNK] is None and it[2 * CHUNK + 3] == 1.0
    assert it.total(0, len(it)) == (BLOCK, BLOCK)
    assert it.extent(0, 2 * CHUNK) is None and it.oldest_known() == 1.0


def test_a_full_disk_leaves_all_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes, at: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    it, values = long_column()
    assert same(it.raw(0, LONG), values)
    assert it.extent(0, LONG) is not None
