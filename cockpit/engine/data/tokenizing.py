"""The rows of a reader -> tokens on the disk: those of an earlier start, or made now by all cores"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from typing import Any

from cockpit.engine.data.encoding import BatchEncoder, EncodedBatch, PlacedRow, batches
from cockpit.engine.data.encoding_pool import EncodingPool
from cockpit.engine.data.encoding_process import setup_of
from cockpit.engine.data.kept_rows import KeptRows, Progress, Sentences, Tokenized
from cockpit.engine.data.row_reader import RowReader
from cockpit.engine.data.tokenizer_copy import portable_tokenizer, tokenizer_fingerprint
from cockpit.machine.cores import usable_cores
from cockpit.recipe.recipe import Recipe

FEW_ROWS = 2_000
"""So many are tokenized before other processes have imported what they need."""
MOST_PROCESSES = 64
PROGRESS_EVERY_S = 0.2


def tokenized(
    recipe: Recipe, tokenizer: Any, reader: RowReader, length: int, said: Sentences, progress: Progress
) -> Tokenized:
    """The rows that the recipe's sources have, rendered, tokenized, masked and cut to `length`. `said` is what `reader`
    speaks to. `progress` may raise to end the work. Raises RunFailure."""
    told = Throttled(progress)
    fingerprint = tokenizer_fingerprint(tokenizer)
    kept = KeptRows.of(recipe, reader, fingerprint, length, told.again)
    if (found := kept.find(said, told.again)) is not None:
        progress(len(found.rows), len(found.rows))
        return found
    said.begin()
    encode = BatchEncoder(recipe, tokenizer, length)
    done = numbered = 0
    long = {"truncated": 0, "split": 0}
    with kept.writer() as writer, _pool(recipe, tokenizer, reader, fingerprint, length, said) as pool:
        for rows, refusals, batch in _encoded(reader, encode, pool, told.again, said):
            for sentence in refusals:
                reader.refuse_row(sentence)
            if batch is not None:
                for where, why in batch.refusals:
                    reader.refuse(where, why)
                for where, why in batch.dropped:
                    reader.leave_out(where, why)
                said.once(batch.said)
                long["truncated"] += batch.truncated
                long["split"] += batch.split
                writer.add(batch.rows.numbered_from(numbered))
                numbered += batch.rows.count
            done += rows
            told(done, reader.total)
        reader.summarise()
        if long["split"]:
            split = f"{long['split']:,} rows with more than {length:,} tokens"
            said(f"{split} are trained in pieces: with the others there are {len(writer):,}.")
        progress(done, done)
        return kept.kept(writer, long, said, told.again)


def _encoded(
    reader: RowReader, encode: BatchEncoder, pool: EncodingPool | None, tick: Callable[[], None], said: Sentences
) -> Iterator[tuple[int, list[object], EncodedBatch | None]]:
    """Each batch in its order: how many rows it has, the sentences of those that could not be read before its end, and
    what became of it."""
    refusals: list[object] = []
    begun: deque[tuple[int, list[object], Future[EncodedBatch]]] = deque()
    for batch in batches((row.where, row.content) for row in reader.read(refusals.append)):
        refused, refusals[:] = list(refusals), []
        future = _begun(batch, encode, pool, said)
        begun.append((len(batch), refused, future))
        ahead = 2 * pool.processes if pool is not None else 0
        while begun and (len(begun) > ahead or begun[0][2].done()):
            yield _taken(*begun.popleft(), tick)
    while begun:
        yield _taken(*begun.popleft(), tick)
    yield 0, refusals, None


def _begun(
    batch: list[PlacedRow], encode: BatchEncoder, pool: EncodingPool | None, said: Sentences
) -> Future[EncodedBatch]:
    """The batch, handed to another process, or encoded by this one while there is none that is ready."""
    if pool is not None and pool.is_ready():
        return pool.submit(batch)
    if pool is not None and pool.problem:
        said.aside([f"Rows are tokenized by one process: {pool.problem}."])
    done: Future[EncodedBatch] = Future()
    done.set_result(encode(batch))
    return done


def _taken(
    rows: int, refusals: list[object], future: Future[EncodedBatch], tick: Callable[[], None]
) -> tuple[int, list[object], EncodedBatch]:
    while not wait_for([future], PROGRESS_EVERY_S).done:
        tick()
    return rows, refusals, future.result()


@contextmanager
def _pool(
    recipe: Recipe, tokenizer: Any, reader: RowReader, fingerprint: str, length: int, said: Sentences
) -> Iterator[EncodingPool | None]:
    """Processes, where there are rows and cores for them."""
    cores = min(usable_cores(), MOST_PROCESSES)
    is_few = reader.total is not None and reader.total <= FEW_ROWS
    with contextlib.ExitStack() as open_now:
        open_now.enter_context(_tokenizing_on_all_cores())
        pool = None
        if cores > 1 and not is_few:
            try:
                setup = setup_of(recipe, portable_tokenizer(tokenizer), length)
                pool = open_now.enter_context(EncodingPool(setup, fingerprint, cores))
            except Exception as error:  # whatever pickle raises of what others wrote, or the system
                said.aside([f"Rows are tokenized by one process, as others cannot be given the tokenizer ({error})."])
        yield pool


class Throttled:
    """Tells of the progress now and then."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._told = time.monotonic()
        self._last: tuple[int, int | None] = (0, None)

    def __call__(self, done: int, total: int | None) -> None:
        self._last = (done, total)
        self.again()

    def again(self) -> None:
        """While there is no progress: what listens may end the work."""
        if time.monotonic() - self._told > PROGRESS_EVERY_S:
            self._told = time.monotonic()
            self._progress(*self._last)


@contextmanager
def _tokenizing_on_all_cores() -> Iterator[None]:
    """Off for the rest of the process, where processes that load batches are forked."""
    before = os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    try:
        yield
    finally:
        os.environ["TOKENIZERS_PARALLELISM"] = before or "false"
