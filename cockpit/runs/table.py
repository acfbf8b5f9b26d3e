"""A table of figures by step, and what a chart reads of it: never more than it has columns of dots, from all rows."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from math import inf, isfinite
from typing import Generic, TypeVar, overload

from cockpit.runs.columns import Column, Shelf

Extent = tuple[float, float]
"""The lowest and the highest of some values."""
Total = tuple[float, int]
"""The sum and the number of some values."""
Value = TypeVar("Value")
MOST_REMEMBERED = 8
"""Curves."""
PARTS = 64
"""Stretches of a course whose extents are remembered."""


class StepNumbers(Sequence[int]):
    """Steps, ascending. Those that follow each other take no room. It equals a sequence of the same steps."""

    def __init__(self) -> None:
        self._rows, self._steps = array("q"), array("q")
        """The first row of each stretch of steps that follow each other, and its step."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> list[int]: ...
    def __getitem__(self, at: int | slice) -> int | list[int]:
        if isinstance(at, slice):
            return [self[row] for row in range(*at.indices(self._count))]
        row = at + self._count if at < 0 else at
        if not 0 <= row < self._count:
            raise IndexError(at)
        stretch = bisect_right(self._rows, row) - 1
        return self._steps[stretch] + row - self._rows[stretch]

    def __iter__(self) -> Iterator[int]:
        for stretch, (row, step) in enumerate(zip(self._rows, self._steps, strict=True)):
            end = self._rows[stretch + 1] if stretch + 1 < len(self._rows) else self._count
            yield from range(step, step + end - row)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def row_from(self, step: int) -> int:
        """The first row whose step is `step` or a later one; the number of rows where there is none."""
        stretch = bisect_right(self._steps, step) - 1
        if stretch < 0:
            return 0
        end = self._rows[stretch + 1] if stretch + 1 < len(self._rows) else self._count
        return min(self._rows[stretch] + step - self._steps[stretch], end)

    def rows_from(self, steps: Sequence[int]) -> list[int]:
        """As `row_from`, of many."""
        if len(self._steps) != 1:
            return [self.row_from(step) for step in steps]
        base, end = self._steps[0], self._count  # no step is missing, as in nearly all runs
        return [min(max(0, step - base), end) for step in steps]

    @property
    def newest_stretch(self) -> tuple[int, int]:
        """How many stretches there are, and the step that the newest of them begins with."""
        return len(self._steps), self._steps[-1] if self._steps else 0

    def extend(self, steps: Sequence[int]) -> None:
        """Add steps, each higher than the one before it."""
        if steps[-1] - steps[0] == len(steps) - 1:
            self._begin_stretch(steps[0])
            self._count += len(steps)
            return
        for step in steps:
            self._begin_stretch(step)
            self._count += 1

    def cut(self, rows: int) -> None:
        """Forget all but the first `rows`."""
        self._count = rows
        stretches = bisect_right(self._rows, rows - 1)
        del self._rows[stretches:], self._steps[stretches:]

    def _begin_stretch(self, step: int) -> None:
        if not self._count or self[-1] + 1 != step:
            self._rows.append(self._count)
            self._steps.append(step)


class Remembered(Generic[Value]):
    """What charts have asked for last, so that a new row costs no more than the columns of dots that it may change."""

    def __init__(self) -> None:
        self._known: dict[tuple[str | int, ...], tuple[int, list[Value | None]]] = {}

    def of(
        self, asked: tuple[str | int, ...], rows: int, ends: Sequence[int], work_out: Callable[[int], Value | None]
    ) -> list[Value | None]:
        """The value of each column of dots, by `work_out` where it is not known. `ends`: up to which row it looks."""
        done, found = self._known.pop(asked, (0, []))
        first = next((at for at, end in enumerate(ends) if end >= done), len(ends))
        found = found[:first] + [work_out(at) for at in range(first, len(ends))]
        self._known[asked] = (rows, found)
        if len(self._known) > MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        return found[:]

    def forget(self) -> None:
        """Rows were dropped."""
        self._known.clear()


class Table:
    """Figures by step, ascending: `step`, and a column of `metrics` for each that was ever measured.

    Charts ask for `extents`, `totals` and `breaks`: one answer for each of `count` equal columns of dots, whose middles
    run from step `first` to step `last`; it is exact, and takes about the same time for a thousand steps as for a
    million. `value_at` is for what lies under a cursor.
    """

    def __init__(self) -> None:
        self._shelf = Shelf()
        self.step = StepNumbers()
        self.metrics: dict[str, Column] = {}
        self._extents, self._totals = Remembered[Extent](), Remembered[Total]()
        self._known_edges: dict[tuple[object, ...], list[int]] = {}

    def __len__(self) -> int:
        return len(self.step)

    @property
    def newest_step(self) -> int:
        """The last step, 0 where there is none."""
        return self.step[-1] if len(self.step) else 0

    def add(self, steps: Sequence[int], figures: Mapping[str, Sequence[float]]) -> None:
        """Add rows of ascending steps, later than those before, with each figure's raw values (runs/columns.py)."""
        for name in figures:
            if name not in self.metrics:
                self.metrics[name] = Column(self._shelf, len(self.step))
        self.step.extend(steps)
        for name, column in self.metrics.items():
            column.extend(figures[name] if name in figures else [*repeat(inf, len(steps))])

    def cut(self, rows: int) -> None:
        """Forget all but the first `rows`."""
        self.step.cut(rows)
        self._extents.forget()
        self._totals.forget()
        self._known_edges.clear()
        for column in self.metrics.values():
            column.cut(rows)

    def column(self, name: str) -> Column | None:
        """The column of a figure; None where it was never measured."""
        return self.metrics.get(name)

    def latest(self, name: str) -> float | None:
        """The newest value of a figure, NaN where that is not a finite number; None where it was never measured."""
        column = self.column(name)
        return column.newest_known() if column is not None else None

    def recent(self, name: str, count: int) -> list[float | None]:
        """The newest `count` values of a figure, or all that there are; None where it was not measured."""
        column = self.column(name)
        return column[-count:] if column is not None else []

    def rows(self, first: int, last: int) -> tuple[int, int]:
        """The rows of steps `first` to `last`, both included, as a range."""
        return self.step.row_from(first), self.step.row_from(last + 1)

    # What a chart reads

    def extent(self, name: str, first: int, last: int) -> Extent | None:
        """The lowest and the highest finite value from step `first` to step `last`; None where there is none."""
        column = self.column(name)
        return column.extent(*self.rows(first, last)) if column is not None else None

    def course_extent(self, name: str, first: int, last: int) -> Extent | None:
        """As `extent`, for steps that are asked for again and again as the run grows: it looks at the new ones only."""
        parts = [part for part in self.extents(name, first, last, PARTS) if part]
        return (min(low for low, _ in parts), max(high for _, high in parts)) if parts else None

    def extents(self, name: str, first: int, last: int, count: int) -> list[Extent | None]:
        """The lowest and the highest finite value in each column of dots; None where there is none."""
        column = self.column(name)
        if column is None:
            return [None] * count
        edges = self._edges(first, last, count)

        def extent(at: int) -> Extent | None:
            begin, end = edges[at : at + 2]
            return column.extent(begin, end) if begin < end else None

        return self._extents.of((name, first, last, count), len(self), edges[1:], extent)

    def totals(self, name: str, first: int, last: int, count: int) -> list[Total | None]:
        """The sum and the number of the finite values in each column of dots; None where there is none."""
        column = self.column(name)
        if column is None:
            return [None] * count
        edges = self._edges(first, last, count)

        def total(at: int) -> Total | None:
            begin, end = edges[at : at + 2]
            found = column.total(begin, end) if begin < end else (0.0, 0)
            return found if found[1] else None

        return self._totals.of((name, first, last, count), len(self), edges[1:], total)

    def breaks(self, name: str, first: int, last: int, count: int) -> list[int]:
        """The columns of dots, ascending, in which a value was measured that is not a finite number."""
        column = self.column(name)
        if column is None:
            return []
        edges = self._edges(first, last, count)
        if not column.is_broken(edges[0], edges[-1]):
            return []
        return [at for at in range(count) if column.is_broken(edges[at], edges[at + 1])]

    def value_at(self, name: str, step: int) -> float | None:
        """The value of a figure after a step, NaN where it is not a finite number; None where it was not measured."""
        row, column = self.step.row_from(step), self.column(name)
        is_there = column is not None and row < len(self.step) and self.step[row] == step
        return column[row] if column is not None and is_there else None

    def sample(self, name: str, first: int, last: int, most: int = 2048) -> list[float]:
        """Finite values from step `first` to step `last`, at most `most` and evenly spread, for percentiles."""
        column = self.column(name)
        if column is None:
            return []
        begin, end = self.rows(first, last)
        every = max(1, -(-(end - begin) // most))
        rows = range(begin, end, every)
        if every > 16:
            return [value for row in rows if isfinite(value := column.raw(row, row + 1)[0])]
        values = column.raw(begin, end)[::every]
        return [value for value in values if isfinite(value)]

    def _edges(self, first: int, last: int, count: int) -> list[int]:
        """The first row of each column of dots, and the end of the last one. A chart asks for them several times."""
        asked = (first, last, count, len(self), self.step.newest_stretch)
        if asked not in self._known_edges:
            gaps, width = 2 * max(1, count - 1), last - first
            inner = [first - (-(2 * at - 1) * width // gaps) for at in range(1, count)]
            while len(self._known_edges) >= MOST_REMEMBERED:
                del self._known_edges[next(iter(self._known_edges))]
            self._known_edges[asked] = self.step.rows_from([first, *inner, last + 1])
        return self._known_edges[asked]
