"""Which of the tokenized rows are trained on, and which are measured on"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from cockpit.engine.data.duplicates import nearly_equal, repeated
from cockpit.recipe.data import Data
from cockpit.recipe.schedule import held_out_count

Integers = np.ndarray[Any, np.dtype[Any]]


class ChosenFrom(Protocol):
    """What the choice is made by: of each row, or piece of one, the number of its row and the digest of that, and where
    nearly equal rows are looked for, its signature [rows, 64]."""

    @property
    def numbers(self) -> Integers: ...
    @property
    def digests(self) -> Integers: ...
    def signatures(self) -> Integers: ...


@dataclass(frozen=True)
class RowChoice:
    """`train`: rows, or pieces, in their order. `held_out`: those to measure on, ascending, among the rows in a file or
    split of their own where there is one. The other fields count rows, however many pieces they have."""

    train: Integers
    held_out: Integers
    rows: int
    held_out_rows: int
    duplicates: int
    """Rows that stand in the data before, nearly equal ones too where these are left out."""
    shared: int
    """Rows that are measured on and stand in the training too, or would without being left out of it."""
    dropped: int
    """Rows left out of training because they are one or the other."""


def choose(data: Data, rows: ChosenFrom, validation: ChosenFrom | None) -> RowChoice:
    """`validation`: the rows that data.validation names."""
    numbers = rows.numbers
    again, among = _before(rows, validation, near=data.duplicates == "drop_near")
    gone = again | among if data.duplicates != "keep" else np.zeros(len(again), bool)
    kept = np.flatnonzero(~gone)
    out = np.zeros(len(gone), bool)
    if validation is None:
        out[kept[held_out_rows(len(kept), data)]] = True
        digests = _of_rows(rows, rows.digests)
        shared = int(np.isin(digests[out], digests[~out & ~gone]).sum())
        held_out = np.flatnonzero(out[numbers])
    else:
        shared, held_out = int(among.sum()), np.arange(len(validation.numbers))
    order = train_order(len(numbers), data)
    return RowChoice(
        order[~(gone | out)[numbers[order]]],
        held_out,
        len(gone),
        int(out.sum()) if validation is None else _count(validation.numbers),
        int(again.sum()),
        shared,
        int(gone.sum()),
    )


def held_out_rows(rows: int, data: Data) -> list[int]:
    """Which of `rows` rows are held out, ascending; none where there is a file or split of its own for it."""
    return sorted(random.Random(data.seed).sample(range(rows), held_out_count(rows, data) if rows else 0))


def train_order(rows: int, data: Data) -> Integers:
    """The order of all rows: as they stand where there is one source, shuffled with data.seed where there are more."""
    is_one = len(data.mixed().sources) == 1
    return np.arange(rows) if is_one else np.random.default_rng(data.seed).permutation(rows)


def _before(rows: ChosenFrom, validation: ChosenFrom | None, *, near: bool) -> tuple[Integers, Integers]:
    """Of each row, whether it stands before, and whether it is among those of `validation`; never both."""
    digests = _of_rows(rows, rows.digests)
    measured = _of_rows(validation, validation.digests) if validation is not None else digests[:0]
    if near:
        signatures = [_of_rows(one, one.signatures()) for one in (validation, rows) if one is not None]
        first = nearly_equal(np.concatenate(signatures))[len(measured) :]
        among = first < len(measured)
        return (first != np.arange(len(digests)) + len(measured)) & ~among, among
    among = np.isin(digests, measured)
    return repeated(digests) & ~among, among


def _of_rows(rows: ChosenFrom, values: Integers) -> Integers:
    """The value of each row, which all its pieces share."""
    return values[np.unique(rows.numbers, return_index=True)[1]]


def _count(numbers: Integers) -> int:
    return int(numbers[-1]) + 1 if len(numbers) else 0
