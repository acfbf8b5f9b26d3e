"""A batch of rows -> tokens in flat arrays, by whichever process does it"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from cockpit.engine.data.conversation import Content, Marked, Pair, Prompt
from cockpit.engine.data.encoder import EncodedRow
from cockpit.engine.data.side_encoder import encoder_for
from cockpit.engine.data.token_rows import NO_SIDE, Integers, TokenBatch
from cockpit.recipe.recipe import Recipe

BATCH_ROWS, BATCH_CHARACTERS = 256, 1 << 20
"""Rows that the tokenizer is given at once: so many of either."""

PlacedRow = tuple[str, Content]
"""Where a row stands, and what it holds."""


@dataclass(frozen=True)
class EncodedBatch:
    """What became of a batch. `refusals`: where each row that cannot be trained on stands, and why. `said`: sentences
    for the log, which another batch may say too."""

    rows: TokenBatch
    truncated: int
    split: int
    """Rows of which several pieces were made."""
    refusals: list[tuple[str, str]]
    dropped: list[tuple[str, str]]
    """Those that the recipe asks to leave out."""
    said: list[str]


class BatchEncoder:
    """Encodes batches."""

    def __init__(self, recipe: Recipe, tokenizer: Any, length: int) -> None:
        """`length`: the most tokens of a row."""
        self._said: list[str] = []
        near = recipe.data.duplicates == "drop_near"
        self._encoder = encoder_for(recipe)(recipe, tokenizer, length, self._said.append, near=near)

    def __call__(self, batch: list[PlacedRow]) -> EncodedBatch:
        """Raises RunFailure where rows of this kind cannot be encoded at all."""
        with _without_collecting():
            return self._encoded(batch)

    def _encoded(self, batch: list[PlacedRow]) -> EncodedBatch:
        taken: list[list[EncodedRow]] = []
        refusals: list[tuple[str, str]] = []
        dropped: list[tuple[str, str]] = []
        for pieces in self._encoder.encode(batch):
            taken.append([one for one in pieces if not one.refusal])
            for one in pieces[:1] if pieces[0].side else pieces:
                if one.refusal:
                    (dropped if one.is_dropped else refusals).append((one.where, one.refusal))
        said, self._said[:] = list(self._said), []
        taken = [pieces for pieces in taken if pieces]
        rows = [piece for pieces in taken for piece in pieces]
        numbers = [number for number, pieces in enumerate(taken) for _ in pieces]
        truncated = sum(row.whole_tokens > len(row.input_ids) for row in rows)
        split = sum(len(pieces) > 1 and pieces[0].side == NO_SIDE for pieces in taken)
        return EncodedBatch(_flat(rows, numbers), truncated, split, refusals, dropped, said)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """No search for garbage inside: a batch is 100,000 small objects that all go at its end, and looking through them
    again and again takes a tenth of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _flat(rows: list[EncodedRow], numbers: list[int]) -> TokenBatch:
    lengths = np.asarray([len(row.input_ids) for row in rows], np.int32)
    ids, labels = (_chained(getattr(row, name) for row in rows) for name in ("input_ids", "labels"))
    where = [row.where for row in rows]
    digests = np.asarray([row.digest for row in rows], np.uint64)
    signatures = [row.signature for row in rows]
    sides = np.asarray([row.side for row in rows], np.int8)
    return TokenBatch(ids, labels, lengths, where, digests, np.asarray(numbers, np.int64), signatures, sides)


def _chained(lists: Iterable[list[int]]) -> Integers:
    """int32, end to end."""
    flat = array("i")
    for one in lists:
        flat.fromlist(one)
    return np.frombuffer(flat, np.int32)


def characters(content: Content) -> int:
    """About how many a row has."""
    if isinstance(content, str):
        return len(content)
    if isinstance(content, Pair):
        return characters(content.chosen) + characters(content.rejected)
    if isinstance(content, Marked):
        return characters(content.content)
    if isinstance(content, Prompt):
        return sum(len(str(turn["content"])) for turn in content.messages)
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
