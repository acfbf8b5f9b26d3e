"""Columns of figures, one value a row, of any length: the newest in memory, older ones put by in a temporary file.

A column knows the lowest, the highest and the mean value of every block of rows, so that the course of a million rows
is drawn as quickly as that of a thousand, and from all of them.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterable, Sequence
from itertools import repeat
from math import inf, isfinite, isinf, isnan, nan
from typing import IO, overload

BLOCK = 64
"""Rows whose lowest, highest and mean value are known without looking at them."""
CHUNK = 64 * BLOCK
"""Rows of a column that are put by at once."""
KEPT = 16 * CHUNK
"""So many of the newest rows, at least, stay in memory."""
_ITEM = 8
"""Bytes of a value."""


class Shelf:
    """Chunks that are put by in a file without a name, which goes with the process. A disk that takes no more is not
    asked again: what would go there stays in memory."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._is_full = False
        self._end = 0
        self._free: list[int] = []
        """Places of chunks that were dropped."""

    def put(self, chunk: array[float]) -> int | None:
        """Put a chunk by; its place, or None where the disk does not take it."""
        if self._is_full:
            return None
        place = self._free.pop() if self._free else self._end
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="cockpit-")  # noqa: SIM115 -- it lives as long as this
            data = memoryview(chunk).cast("B")
            written = 0
            while written < len(data):
                written += os.pwrite(self._file.fileno(), data[written:], place + written)
        except OSError:
            self._is_full = True
            return None
        self._end = max(self._end, place + CHUNK * _ITEM)
        return place

    def get(self, place: int, first: int, last: int) -> array[float]:
        """Rows `first` to `last`, the latter left out, of the chunk at `place`."""
        assert self._file is not None
        return array("d", os.pread(self._file.fileno(), (last - first) * _ITEM, place + first * _ITEM))

    def drop(self, place: int) -> None:
        """Let another chunk have the place."""
        self._free.append(place)


class Column(Sequence[float | None]):
    """The values of one figure. As a sequence it holds None where the figure was not measured and NaN where it was and
    is not a finite number; what is `raw` has infinity for the former.

    It equals a sequence of equal values.
    """

    def __init__(self, shelf: Shelf, rows: int = 0) -> None:
        """`rows` that were there before the figure was first measured."""
        self._shelf = shelf
        self._put_by: list[int | None] = [None] * (rows // CHUNK)
        """Place of each chunk that is not in memory; None for one in which nothing was measured."""
        self._newest = array("d", repeat(inf, rows % CHUNK))
        self._lows, self._highs, self._sums = (array("d") for _ in range(3))
        self._counts, self._broken = bytearray(), bytearray()
        """How many values of a block are finite numbers, and how many are none though they were measured."""

    # As a sequence

    def __len__(self) -> int:
        return len(self._put_by) * CHUNK + len(self._newest)

    @overload
    def __getitem__(self, at: int) -> float | None: ...
    @overload
    def __getitem__(self, at: slice) -> list[float | None]: ...
    def __getitem__(self, at: int | slice) -> float | list[float | None] | None:
        if isinstance(at, slice):
            first, last, step = at.indices(len(self))
            if step != 1:
                return [self[row] for row in range(first, last, step)]
            return [_known(value) for value in self.raw(first, last)]
        row = at + len(self) if at < 0 else at
        if not 0 <= row < len(self):
            raise IndexError(at)
        return _known(self.raw(row, row + 1)[0])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Column({list(self[:3])}{'...' if len(self) > 3 else ''}, {len(self):,} rows)"

    def raw(self, first: int, last: int) -> array[float]:
        """The values of rows `first` to `last`, the latter left out: NaN for what is not a finite number, infinity for
        what was not measured. A copy; numpy takes it as it is."""
        first, last = max(0, first), min(last, len(self))
        begin = len(self._put_by) * CHUNK
        if first >= begin:
            return self._newest[first - begin : last - begin]
        found = array("d")
        for at in range(first // CHUNK, min(len(self._put_by), -(-last // CHUNK))):
            start, end = max(first - at * CHUNK, 0), min(last - at * CHUNK, CHUNK)
            place = self._put_by[at]
            found += array("d", repeat(inf, end - start)) if place is None else self._shelf.get(place, start, end)
        return found + self._newest[: max(0, last - begin)]

    # As it grows

    def extend(self, values: Sequence[float]) -> None:
        """Add rows: floats, NaN and infinity as `raw` has them."""
        self._newest += array("d", values)
        if len(self._newest) >= KEPT + CHUNK:
            self._put_away()

    def cut(self, rows: int) -> None:
        """Forget all but the first `rows`."""
        begin = len(self._put_by) * CHUNK
        if rows >= begin:
            del self._newest[rows - begin :]
        else:
            keep = rows // CHUNK
            newest = self.raw(keep * CHUNK, rows)
            for place in self._put_by[keep:]:
                if place is not None:
                    self._shelf.drop(place)
            del self._put_by[keep:]
            self._newest = newest
        for summary in (self._lows, self._highs, self._sums, self._counts, self._broken):
            del summary[rows // BLOCK :]

    def _sum_up(self) -> None:
        """Summarise the blocks that have become full, once somebody asks: most figures are never drawn."""
        while (done := len(self._counts) * BLOCK) + BLOCK <= len(self):
            values = self.raw(done, min(done + KEPT, len(self) // BLOCK * BLOCK))
            self._add_blocks(zip(*[iter(values)] * BLOCK, strict=True))

    def _add_blocks(self, blocks: Iterable[tuple[float, ...]]) -> None:
        for values in blocks:
            total = sum(values)
            if isfinite(total):
                summary = (min(values), max(values), total, BLOCK, 0)
            else:
                finite = tuple(filter(isfinite, values))
                broken = sum(map(isnan, values))
                summary = (min(finite, default=inf), max(finite, default=-inf), sum(finite), len(finite), broken)
            self._lows.append(summary[0])
            self._highs.append(summary[1])
            self._sums.append(summary[2])
            self._counts.append(summary[3])
            self._broken.append(summary[4])

    def _put_away(self) -> None:
        """Put the oldest chunks by."""
        done = 0
        while len(self._newest) - done >= KEPT + CHUNK:
            chunk = self._newest[done : done + CHUNK]
            is_measured = any(map(isfinite, chunk)) or any(map(isnan, chunk))
            place = self._shelf.put(chunk) if is_measured else None
            if is_measured and place is None:
                break
            self._put_by.append(place)
            done += CHUNK
        del self._newest[:done]

    # What is drawn of it

    def extent(self, first: int, last: int) -> tuple[float, float] | None:
        """The lowest and the highest finite value of rows `first` to `last`, the latter left out; None: there is none.
        Exact; it takes the time of a few hundred rows, however many they are."""
        edges, begin, end = self._parts(first, last)
        low = min(filter(isfinite, edges), default=inf)
        high = max(filter(isfinite, edges), default=-inf)
        if begin < end:
            lowest, highest = min(self._lows[begin:end]), max(self._highs[begin:end])
            low, high = min(low, lowest), max(high, highest)
        return (low, high) if low <= high else None

    def total(self, first: int, last: int) -> tuple[float, int]:
        """The sum and the number of the finite values of rows `first` to `last`, the latter left out."""
        edges, begin, end = self._parts(first, last)
        finite = list(filter(isfinite, edges))
        return sum(finite) + sum(self._sums[begin:end]), len(finite) + sum(self._counts[begin:end])

    def is_broken(self, first: int, last: int) -> bool:
        """Whether a value of these rows was measured and is not a finite number."""
        edges, begin, end = self._parts(first, last)
        return self._broken.count(0, begin, end) < end - begin or any(map(isnan, edges))

    def broken_count(self) -> int:
        """How many values were measured and are not finite numbers."""
        edges, begin, end = self._parts(0, len(self))
        is_any = self._broken.count(0, begin, end) < end - begin
        return (sum(self._broken[begin:end]) if is_any else 0) + sum(map(isnan, edges))

    def broken_since(self) -> int | None:
        """The first of those rows up to the newest whose values are not finite numbers; None where the newest is."""
        self._sum_up()
        row = len(self)
        while row > 0:
            block = self.raw((row - 1) // BLOCK * BLOCK, row)
            while block and isnan(block[-1]):
                block.pop()
                row -= 1
            if block:
                break
            row = min(row, BLOCK * len(self._broken[: row // BLOCK].rstrip(bytes([BLOCK]))))
        return row if row < len(self) else None

    def oldest_known(self) -> float | None:
        """The first value that was measured; None where there is none."""
        for first in range(0, len(self), BLOCK):
            for value in self.raw(first, first + BLOCK):
                if not isinf(value):
                    return _known(value)
        return None

    def newest_known(self) -> float | None:
        """The newest value that was measured, NaN where that is not a finite number; None where there is none."""
        for last in range(len(self), 0, -BLOCK):
            for value in reversed(self.raw(last - BLOCK, last)):
                if not isinf(value):
                    return _known(value)
        return None

    def _parts(self, first: int, last: int) -> tuple[array[float], int, int]:
        """Of these rows: the values that lie in no full block of them, and which blocks they fill, from and up to."""
        self._sum_up()
        first, last = max(0, first), min(last, len(self))
        begin = -(-first // BLOCK)
        end = min(last // BLOCK, len(self._counts))
        if begin >= end:
            return self.raw(first, last), 0, 0
        return self.raw(first, begin * BLOCK) + self.raw(end * BLOCK, last), begin, end


def _known(raw: float) -> float | None:
    return raw if isfinite(raw) else nan if isnan(raw) else None


def raw_values(values: Sequence[float | None]) -> Sequence[float]:
    """What was measured, as rows of a column: None, and what is not finite, is NaN there."""
    try:
        if isfinite(sum(values)):  # type: ignore[arg-type]
            return values  # type: ignore[return-value]
    except TypeError:
        pass  # None among them
    return [nan if value is None or not isfinite(value) else value for value in values]
