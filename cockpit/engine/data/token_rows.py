"""Tokenized rows, end to end in two flat arrays"""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

IGNORED = -100
"""The label of a token without loss."""


@dataclass
class Rows:
    """Tokenized rows, end to end: row i is [offsets[i], offsets[i + 1]) of `input_ids` and of `labels`."""

    input_ids: array[int] = field(default_factory=lambda: array("i"))
    labels: array[int] = field(default_factory=lambda: array("i"))
    offsets: array[int] = field(default_factory=lambda: array("q", [0]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def append(self, input_ids: list[int], labels: list[int]) -> None:
        """Add a row; both lists are of its length."""
        self.input_ids.extend(input_ids)
        self.labels.extend(labels)
        self.offsets.append(len(self.input_ids))

    def tokens(self, rows: list[int]) -> int:
        """Tokens of the rows `rows`."""
        return int(self.lengths()[rows].sum())

    def trained_tokens(self, rows: list[int]) -> int:
        """Tokens of the rows `rows` that a loss is taken on; the first of a row is never predicted."""
        trained = np.frombuffer(self.labels, np.int32) != IGNORED
        starts = np.frombuffer(self.offsets, np.int64)[:-1]
        trained[starts] = False
        return int(np.add.reduceat(trained, starts, dtype=np.int64)[rows].sum())

    def lengths(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Tokens of each row."""
        ends = np.frombuffer(self.offsets, np.int64)
        return ends[1:] - ends[:-1]

    def sha256(self) -> str:
        """Of all tokens, labels and row ends."""
        digest = hashlib.sha256()
        for values in (self.input_ids, self.labels, self.offsets):
            digest.update(values.tobytes())
        return digest.hexdigest()

    def table(self, order: list[int]) -> pa.Table:
        """Columns input_ids and labels (lists of int32) of the rows `order`, in that order."""
        starts = np.frombuffer(self.offsets, np.int64)
        columns = {}
        for name, values in (("input_ids", self.input_ids), ("labels", self.labels)):
            flat = pa.array(np.frombuffer(values, np.int32))
            columns[name] = pa.LargeListArray.from_arrays(pa.array(starts), flat).take(pa.array(order, pa.int64()))
        return pa.table(columns)
