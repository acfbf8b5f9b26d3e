"""Tokenized rows -> sequences that hold several of them, whose neighbours do not see each other"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

from cockpit.engine.data.spilling_file import SpillingFile
from cockpit.engine.data.token_rows import BATCH_TOKENS, ROWS, Integers, TokenRows

PACKED = pa.schema([*ROWS, pa.field("seq_lengths", pa.large_list(pa.int32()))])


def packed_sequences(lengths: list[int], capacity: int) -> list[list[int]]:
    """Which rows share a sequence of at most `capacity` tokens: every row once, the longest first, each into the
    fullest sequence that still has room for it.

    Every length is from 1 to `capacity`.
    """
    sequences: list[list[int]] = []
    rooms: list[int] = []
    """Rooms that sequences have, ascending, each once."""
    with_room: dict[int, list[int]] = {}
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        at = bisect_left(rooms, lengths[row])
        if at == len(rooms):
            sequence, room = len(sequences), capacity
            sequences.append([])
        else:
            room = rooms[at]
            sequence = with_room[room].pop()
            if not with_room[room]:
                del with_room[room]
                rooms.pop(at)
        sequences[sequence].append(row)
        left = room - lengths[row]
        if left and left not in with_room:
            with_room[left] = []
            insort(rooms, left)
        if left:
            with_room[left].append(sequence)
    return sequences


def write_packed(
    rows: TokenRows, order: Integers, capacity: int, seed: int, file: SpillingFile, on_progress: Callable[[], None]
) -> int:
    """Write the rows `order` packed, as a stream of Arrow batches with PACKED as their schema; a sequence's rows stand
    end to end. Returns the number of sequences. `on_progress` is called now and then, and may raise to end the work.

    `seq_lengths` are the tokens of each row of a sequence: TRL's collator begins the positions anew at each row and
    ignores the labels there, and attention is taken inside a row alone. `seed` mixes rows of one length, which would be
    neighbours otherwise.
    """
    mixed = order[np.random.default_rng(seed).permutation(len(order))]
    sequences = packed_sequences(rows.lengths[mixed].tolist(), capacity)
    row_at = rows.reader()
    at_once = max(1, BATCH_TOKENS // capacity)
    with pa.ipc.new_stream(pa.PythonFile(file, "w"), PACKED) as stream:
        for first in range(0, len(sequences), at_once):
            parts = [[row_at(mixed[row]) for row in one] for one in sequences[first : first + at_once]]
            tokens = [_ends(sum(len(ids) for ids, _ in part) for part in parts)] * 2
            flat = [np.concatenate([row[column] for part in parts for row in part]) for column in (0, 1)]
            seq_lengths = np.asarray([len(ids) for part in parts for ids, _ in part], np.int32)
            lists = zip([*tokens, _ends(map(len, parts))], [*flat, seq_lengths], strict=True)
            columns = [pa.LargeListArray.from_arrays(ends, pa.array(values)) for ends, values in lists]
            stream.write_batch(pa.record_batch(columns, schema=PACKED))
            on_progress()
    return len(sequences)


def _ends(lengths: Iterable[int]) -> pa.Array:
    return pa.array(np.cumsum([0, *lengths], dtype=np.int64))
