"""The loss of each row in each step, as a run keeps it where output.row_losses is true; and which rows stand out"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from cockpit.disk import open_regular, open_to_read, write_atomically

LIMIT_BYTES = 256 << 20
"""Of the file: beyond, its older half is left out."""
PEERS = 200
"""A row is compared with those that were trained on in the same steps, at least so many."""
FAR = 3.0
"""Distances between the quartiles that a loss lies above the upper one where it is far above the rest (Tukey 1977)."""


class RowLoss(msgspec.Struct, frozen=True):
    """`loss`: mean over the `tokens` that a loss was taken on; None where it was no finite number. `where` the row
    stands: its file and line, or its piece."""

    where: str
    loss: float | None
    tokens: int


class StepRows(msgspec.Struct, frozen=True):
    """The rows of a step: a line of the file."""

    step: int
    rows: list[RowLoss]


class HighRow(RowLoss, frozen=True, kw_only=True):
    """A row in the step in which its loss was highest above `median`, that of the rows trained on in the same steps."""

    step: int
    median: float
    is_far: bool
    """Whether it was far above the rest."""
    times: int = 1
    """How often the row was trained on."""
    last: float | None = None
    """Its loss the last time."""

    @property
    def excess(self) -> float:
        """Its loss above the median; infinite where the loss was no finite number."""
        return math.inf if self.loss is None else self.loss - self.median


class RowLosses(msgspec.Struct, frozen=True, kw_only=True):
    """What a run's file of row losses comes to."""

    first_step: int
    """The first one that is kept."""
    last_step: int
    rows: int
    """Rows that were trained on; equal ones count as one."""
    far: int
    """Those far above the rest in one of these steps."""
    highest: list[HighRow]
    """The rows furthest above their median, the furthest first."""
    damaged: int = 0
    """Lines of the file that cannot be read."""


class _Step(msgspec.Struct, frozen=True):
    step: int


def row_losses(path: Path, most: int) -> RowLosses | None:
    """Of the file at `path`, with the `most` highest rows; None where no step is in it. Raises OSError."""
    damaged = 0

    def steps() -> Iterator[StepRows]:
        nonlocal damaged
        with open_to_read(path, follow=False) as stream:
            for line in stream:
                try:
                    yield msgspec.json.decode(line, type=StepRows)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    damaged += line.endswith(b"\n")  # the last line may be in the writing

    found = _highest(steps(), most)
    return None if found is None else msgspec.structs.replace(found, damaged=damaged)


def forget_after(path: Path, step: int) -> None:
    """Leave out the steps after `step`, which a run that resumes there takes anew. Raises OSError."""
    with os.fdopen(open_regular(path, os.O_RDWR, follow=False), "r+b") as stream:
        end = 0
        for line in stream:
            if not line.endswith(b"\n") or _step_of(line) > step:
                break
            end += len(line)
        stream.truncate(end)


def forget_older_half(path: Path) -> int:
    """Leave out the first half of the file; the first step that is still in it. Raises OSError."""
    with open_to_read(path, follow=False) as stream:
        stream.seek(path.stat().st_size // 2)
        stream.readline()
        begin = stream.tell()
        first = _step_of(stream.readline())
        stream.seek(begin)
        write_atomically(path, stream.read(), durable=False)
    return first


def _step_of(line: bytes) -> int:
    """0 where the line cannot be read."""
    try:
        return msgspec.json.decode(line, type=_Step).step
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0


def _highest(steps: Iterable[StepRows], most: int) -> RowLosses | None:
    found: dict[str, HighRow] = {}
    first = last = None
    for peers in _peers(steps):
        first = peers[0][0] if first is None else first
        last = peers[-1][0]
        losses = sorted(row.loss for _, row in peers if row.loss is not None)
        several = len(losses) > 1
        low, median, high = statistics.quantiles(losses, method="inclusive") if several else (losses or [0.0]) * 3
        for step, row in peers:
            is_far = row.loss is None or (several and row.loss > high + FAR * (high - low))
            seen = HighRow(row.where, row.loss, row.tokens, step=step, median=median, is_far=is_far, last=row.loss)
            before = found.get(row.where)
            if before is not None:
                higher = seen if seen.excess > before.excess else before
                ever = before.is_far or is_far
                seen = msgspec.structs.replace(higher, times=before.times + 1, is_far=ever, last=row.loss)
            found[row.where] = seen
    if first is None or last is None:
        return None
    return RowLosses(
        first_step=first,
        last_step=last,
        rows=len(found),
        far=sum(row.is_far for row in found.values()),
        highest=sorted(found.values(), key=lambda row: -row.excess)[:most],
    )


def _peers(steps: Iterable[StepRows]) -> Iterator[list[tuple[int, RowLoss]]]:
    """The rows of steps one after the other, at least PEERS at a time where there are so many; the last ones go with
    those before."""
    before: list[tuple[int, RowLoss]] = []
    now: list[tuple[int, RowLoss]] = []
    for one in steps:
        now += [(one.step, row) for row in one.rows]
        if len(now) >= PEERS:
            if before:
                yield before
            before, now = now, []
    if before or now:
        yield before + now
