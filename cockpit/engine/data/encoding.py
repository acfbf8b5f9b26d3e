"""A batch of rows -> tokens in flat arrays, by whichever process does it"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from cockpit.engine.data.conversation import Conversation
from cockpit.engine.data.encoder import EncodedRow, Encoder
from cockpit.engine.data.token_rows import TokenBatch
from cockpit.recipe.recipe import Recipe

BATCH_ROWS, BATCH_CHARACTERS = 256, 1 << 20
"""Rows that the tokenizer is given at once: so many of either."""

PlacedRow = tuple[str, Conversation | str]
"""Where a row stands, and what it holds."""


@dataclass(frozen=True)
class EncodedBatch:
    """What became of a batch. `refusals`: where each row that cannot be trained on stands, and why. `said`: sentences
    for the log, which another batch may say too."""

    rows: TokenBatch
    truncated: int
    refusals: list[tuple[str, str]]
    said: list[str]


class BatchEncoder:
    """Encodes batches."""

    def __init__(self, recipe: Recipe, tokenizer: Any, length: int) -> None:
        """`length`: the most tokens of a row."""
        self._said: list[str] = []
        self._length = length
        self._encoder = Encoder(recipe, tokenizer, length, self._said.append)

    def __call__(self, batch: list[PlacedRow]) -> EncodedBatch:
        """Raises RunFailure where rows of this kind cannot be encoded at all."""
        taken: list[EncodedRow] = []
        refusals: list[tuple[str, str]] = []
        for row in self._encoder.encode(batch):
            if row.refusal:
                refusals.append((row.where, row.refusal))
            else:
                taken.append(row)
        said, self._said[:] = list(self._said), []
        truncated = sum(row.whole_tokens > len(row.input_ids) for row in taken)
        return EncodedBatch(_flat(taken), truncated, refusals, said)


def _flat(rows: list[EncodedRow]) -> TokenBatch:
    lengths = np.asarray([len(row.input_ids) for row in rows], np.int32)
    ids, labels = (np.fromiter(_chained(rows, name), np.int32, int(lengths.sum())) for name in ("input_ids", "labels"))
    where = [row.where for row in rows]
    digests = np.asarray([xxhash.xxh3_64_intdigest(row.text.encode()) for row in rows], np.uint64)
    return TokenBatch(ids, labels, lengths, where, digests, np.arange(len(rows), dtype=np.int64))


def _chained(rows: list[EncodedRow], name: str) -> Iterator[int]:
    return (token for row in rows for token in getattr(row, name))


def characters(content: Conversation | str) -> int:
    """About how many a row has."""
    if isinstance(content, str):
        return len(content)
    return sum(len(turn["content"]) for turn in content.messages if isinstance(turn["content"], str))


def batches(rows: Iterable[PlacedRow]) -> Iterator[list[PlacedRow]]:
    """The rows in batches, none of which is empty."""
    batch: list[PlacedRow] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += characters(row[1])
        if len(batch) == BATCH_ROWS or size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
