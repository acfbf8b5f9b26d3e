"""Tokenized rows -> sequences that hold several of them, whose neighbours do not see each other"""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np
import pyarrow as pa

from cockpit.engine.data.token_rows import Rows


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


def packed_table(rows: Rows, order: list[int], capacity: int, seed: int) -> pa.Table:
    """Columns input_ids, labels, seq_lengths of the rows `order`, packed; a sequence's rows end to end.

    `seq_lengths` (int32) are the tokens of each row of a sequence: TRL's collator begins the positions anew at each
    row and ignores the labels there, and attention is taken inside a row alone. `seed` mixes rows of one length, which
    would be neighbours otherwise.
    """
    mixed = np.asarray(order)[np.random.default_rng(seed).permutation(len(order))]
    lengths = rows.lengths()[mixed].tolist()
    sequences = packed_sequences(lengths, capacity)
    flat = [row for sequence in sequences for row in sequence]
    ends = np.cumsum([0, *(len(sequence) for sequence in sequences)])
    seq_lengths = pa.array(np.asarray(lengths, np.int32)[flat])
    tokens = np.concatenate([[0], np.cumsum(seq_lengths.to_numpy(), dtype=np.int64)])[ends]
    table = rows.table(mixed[flat].tolist())
    columns = {
        name: pa.LargeListArray.from_arrays(pa.array(tokens), table[name].combine_chunks().flatten())
        for name in ("input_ids", "labels")
    }
    return pa.table(
        columns | {"seq_lengths": pa.LargeListArray.from_arrays(pa.array(ends.astype(np.int64)), seq_lengths)}
    )
