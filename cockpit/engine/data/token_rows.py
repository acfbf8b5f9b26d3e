"""Tokenized rows as Arrow on a disk: written as they come, and read as they are needed"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cockpit.engine.data.spilling_file import SpillingFile

IGNORED = -100
"""The label of a token without loss."""
NO_SIDE, BETTER, WORSE = 0, 1, 2
"""What a row is to its method: an example, a better (chosen, desired) answer, or a worse one."""
ROWS_FILE, FIGURES_FILE = "rows.arrow", "figures.arrow"
BATCH_ROWS, BATCH_TOKENS = 1024, 1 << 20
"""A batch of the file is closed once it has so many of either."""
ROWS = pa.schema({"input_ids": pa.large_list(pa.int32()), "labels": pa.large_list(pa.int32())})
FIGURES = pa.schema(
    {
        "where": pa.large_string(),
        "trained": pa.int32(),
        "digest": pa.uint64(),
        "number": pa.int64(),
        "signature": pa.large_binary(),
        "side": pa.int8(),
    }
)

Integers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class TokenBatch:
    """Some rows, end to end: row i has `lengths[i]` of `input_ids` and of `labels` (all int32). `where` each stands;
    `digests` (uint64) of their whole texts; `numbers` (int64), which may be the same for several pieces of one row;
    `signatures` (duplicates.Signatures), empty where nearly equal rows are not looked for."""

    input_ids: Integers
    labels: Integers
    lengths: Integers
    where: list[str]
    digests: Integers
    numbers: Integers
    signatures: list[bytes]
    sides: Integers
    """int8: NO_SIDE, BETTER or WORSE."""

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def count(self) -> int:
        """Rows, the pieces of one counted once."""
        return int(self.numbers[-1]) + 1 if len(self) else 0

    def numbered_from(self, first: int) -> TokenBatch:
        """The same rows, with numbers from `first` on in place of 0."""
        return replace(self, numbers=self.numbers + first)


@dataclass(frozen=True)
class TokenRows:
    """Tokenized rows, and figures: arrays of a number for each. `sha256`: of all tokens, labels and row ends."""

    rows: Path | pa.Buffer
    """A stream of Arrow batches with ROWS as its schema."""
    figures: Path | pa.Buffer
    """Another one, with FIGURES."""
    lengths: Integers
    trained: Integers
    """Tokens that a loss is taken on; the first of a row is never predicted."""
    digests: Integers
    numbers: Integers
    """Of the row that each is, or is a piece of, counted from 0."""
    sides: Integers
    """NO_SIDE, BETTER or WORSE; the better answer of a pair stands before the worse one, and has its number."""
    sha256: str
    held: object = field(default=None, repr=False)
    """What keeps the files from being removed, for as long as this object lives."""

    def __len__(self) -> int:
        return len(self.lengths)

    @classmethod
    def opened(cls, folder: Path, sha256: str, held: object = None) -> TokenRows:
        """The rows that a RowWriter has written there. Raises OSError or pa.ArrowException."""
        lengths, trained, digests, numbers, sides = [], [], [], [], []
        for batch in _batches(folder / ROWS_FILE):
            lengths.append(np.diff(batch.column("input_ids").offsets.to_numpy()).astype(np.int32))
        for batch in _batches(folder / FIGURES_FILE):
            trained.append(batch.column("trained").to_numpy())
            digests.append(batch.column("digest").to_numpy())
            numbers.append(batch.column("number").to_numpy())
            sides.append(batch.column("side").to_numpy())
        return cls(
            folder / ROWS_FILE,
            folder / FIGURES_FILE,
            np.concatenate(lengths),
            np.concatenate(trained),
            np.concatenate(digests),
            np.concatenate(numbers),
            np.concatenate(sides),
            sha256,
            held,
        )

    def dataset(self, order: Integers) -> Any:
        """A datasets.Dataset of the rows `order`, in that order, with the columns of ROWS; mapped, not read."""
        return dataset_of(self.rows).select(order)

    def signatures(self) -> Integers:
        """uint32 [rows, duplicates.PERMUTATIONS]; [rows, 0] where nearly equal rows were not looked for."""
        parts = [batch.column("signature") for batch in _batches(self.figures)]
        flat = b"".join(value for part in parts for value in part.to_pylist())
        return np.frombuffer(flat, "<u4").reshape(len(self), -1)

    def where(self, rows: Integers) -> list[str]:
        """Where the rows `rows` stand in the data."""
        wanted, found, first = np.asarray(rows), dict[int, str](), 0
        for batch in _batches(self.figures):
            here = wanted[(wanted >= first) & (wanted < first + batch.num_rows)]
            names = batch.column("where")
            found.update((int(row), names[int(row) - first].as_py()) for row in here)
            first += batch.num_rows
        return [found[int(row)] for row in wanted]

    def names(self) -> Any:
        """Where each row stands: an Arrow column of texts, mapped, not read."""
        return dataset_of(self.figures).data.table["where"]

    def reader(self) -> RowAccess:
        """Access to single rows, in any order."""
        return RowAccess(dataset_of(self.rows).data.table)


class RowAccess:
    """Single rows of a table of Arrow batches, as views of its memory."""

    def __init__(self, table: pa.Table) -> None:
        self._columns = []
        for name in ("input_ids", "labels"):
            chunks = table[name].chunks
            self._columns.append([(one.offsets.to_numpy(), one.values.to_numpy()) for one in chunks])
            self._first = np.cumsum([0, *map(len, chunks)])

    def __call__(self, row: int) -> list[Integers]:
        """Its input_ids and its labels, int32."""
        at = int(np.searchsorted(self._first, row, side="right")) - 1
        inside = row - int(self._first[at])
        found = []
        for column in self._columns:
            offsets, values = column[at]
            found.append(values[offsets[inside] : offsets[inside + 1]])
        return found


class RowWriter:
    """Writes rows as they come; of each, only its figures stay in memory."""

    def __init__(self, folder: Path) -> None:
        """Writes ROWS_FILE and FIGURES_FILE there, or keeps them in memory where the disk takes them no longer."""
        self._files = [SpillingFile(folder / name) for name in (ROWS_FILE, FIGURES_FILE)]
        self._streams = [
            pa.ipc.new_stream(pa.PythonFile(file, "w"), schema)
            for file, schema in zip(self._files, (ROWS, FIGURES), strict=True)
        ]
        self._digest = hashlib.sha256()
        self._pending: list[tuple[TokenBatch, Integers]] = []
        self._figures = {"lengths": array("i"), "trained": array("i"), "digests": array("Q"), "numbers": array("q")}
        self._figures["sides"] = array("b")

    def __len__(self) -> int:
        return len(self._figures["lengths"])

    @property
    def failure(self) -> OSError | None:
        """Why rows are kept in memory; None where all are on the disk."""
        return next((file.failure for file in self._files if file.failure is not None), None)

    def add(self, batch: TokenBatch) -> None:
        """Add the rows of a batch."""
        if not len(batch):
            return
        trained = _trained(batch)
        self._pending.append((batch, trained))
        self._digest.update(batch.input_ids.data)
        for name, values in (
            ("lengths", batch.lengths), ("trained", trained), ("digests", batch.digests), ("numbers", batch.numbers),
            ("sides", batch.sides),
        ):  # fmt: skip
            self._figures[name].frombytes(values.tobytes())
        rows, tokens = zip(*((len(one), len(one.input_ids)) for one, _ in self._pending), strict=True)
        if sum(rows) >= BATCH_ROWS or sum(tokens) >= BATCH_TOKENS:
            self._flush()

    def finish(self) -> TokenRows:
        """All rows that were added."""
        self._flush()
        for stream in self._streams:
            stream.close()
        rows, figures = (file.finish() for file in self._files)
        for batch in _batches(rows):
            self._digest.update(batch.column("labels").flatten().to_numpy())
        kinds = {"lengths": np.int32, "trained": np.int32, "digests": np.uint64, "numbers": np.int64, "sides": np.int8}
        arrays = {name: np.frombuffer(self._figures[name], kind) for name, kind in kinds.items()}
        ends = np.cumsum(arrays["lengths"], dtype=np.int64)
        self._digest.update(np.concatenate([np.zeros(1, np.int64), ends]).tobytes())
        return TokenRows(rows, figures, sha256=self._digest.hexdigest(), **arrays)

    def close(self) -> None:
        """Let the files go; nothing more is written."""
        for file in self._files:
            file.close()

    def _flush(self) -> None:
        if not self._pending:
            return
        (batches, trained), self._pending = zip(*self._pending, strict=True), []
        lengths = np.concatenate([one.lengths for one in batches])
        ends = pa.array(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64))
        columns = [np.concatenate([getattr(one, name) for one in batches]) for name in ROWS.names]
        lists = [pa.LargeListArray.from_arrays(ends, pa.array(column)) for column in columns]
        self._streams[0].write_batch(pa.record_batch(lists, schema=ROWS))
        figures = [
            pa.array([where for one in batches for where in one.where], pa.large_string()),
            pa.array(np.concatenate(trained)),
            pa.array(np.concatenate([one.digests for one in batches])),
            pa.array(np.concatenate([one.numbers for one in batches])),
            pa.array([signature for one in batches for signature in one.signatures], pa.large_binary()),
            pa.array(np.concatenate([one.sides for one in batches])),
        ]
        self._streams[1].write_batch(pa.record_batch(figures, schema=FIGURES))


def _trained(batch: TokenBatch) -> Integers:
    has_loss = batch.labels != IGNORED
    starts = np.cumsum(batch.lengths) - batch.lengths
    has_loss[starts] = False
    return np.add.reduceat(has_loss, starts, dtype=np.int32)


def _batches(source: Path | pa.Buffer) -> Iterator[pa.RecordBatch]:
    """The batches of a stream, one after the other in memory."""
    opened = pa.OSFile(str(source)) if isinstance(source, Path) else pa.BufferReader(source)
    with opened, pa.ipc.open_stream(opened) as stream:
        yield from stream


def dataset_of(source: Path | pa.Buffer) -> Any:
    """A datasets.Dataset of a stream of Arrow batches; a file is mapped, not read."""
    from datasets import Dataset

    return Dataset.from_file(str(source)) if isinstance(source, Path) else Dataset.from_buffer(source)
