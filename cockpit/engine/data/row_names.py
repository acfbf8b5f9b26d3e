"""Where a row stands in the data, told by its tokens as they come in a batch"""

from __future__ import annotations

import numpy as np
import xxhash

from cockpit.engine.data.token_rows import Integers, TokenRows


class RowNames:
    """The rows `order` of `rows` by their tokens and labels; of equal ones the first is told."""

    def __init__(self, rows: TokenRows, order: Integers) -> None:
        """Reads all of them once."""
        row_at = rows.reader()
        prints = np.fromiter((_print(*row_at(int(row))) for row in order), np.uint64, len(order))
        by_print = np.argsort(prints, kind="stable")
        self._prints, self._rows = prints[by_print], order[by_print]
        self._names = rows.names()

    def where(self, input_ids: Integers, labels: Integers) -> str | None:
        """Where the row of these tokens stands; None where none of the rows has them."""
        wanted = np.uint64(_print(input_ids, labels))
        at = int(np.searchsorted(self._prints, wanted))
        if at == len(self._prints) or self._prints[at] != wanted:
            return None
        return str(self._names[int(self._rows[at])].as_py())


def _print(input_ids: Integers, labels: Integers) -> int:
    """The first label says nothing, as nothing predicts it; what joins rows takes it away."""
    digest = xxhash.xxh3_64(np.ascontiguousarray(input_ids, np.int32).tobytes())
    digest.update(np.ascontiguousarray(labels[1:], np.int32).tobytes())
    return int(digest.intdigest())
