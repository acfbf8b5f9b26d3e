"""Tokenized answers that are better or worse -> what a trainer draws its batches from"""

from __future__ import annotations

from typing import Any

import numpy as np

from cockpit.engine.data.token_rows import BETTER, Integers, TokenRows

Row = dict[str, Any]


class Pairs:
    """The pairs among the rows `order` of `rows`, in the order of their better answers: a map-style dataset."""

    def __init__(self, rows: TokenRows, order: Integers) -> None:
        self._row = rows.reader()
        self.places = np.asarray(order)[rows.sides[order] == BETTER]
        """Of the better answers among the rows; the worse one stands behind each."""

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, at: int) -> Row:
        """Tokens and labels of both, as int32 arrays."""
        place = int(self.places[at])
        (chosen, chosen_labels), (rejected, rejected_labels) = self._row(place), self._row(place + 1)
        return {
            "chosen_ids": chosen,
            "chosen_labels": chosen_labels,
            "rejected_ids": rejected,
            "rejected_labels": rejected_labels,
        }


class MarkedAnswers:
    """The rows `order` of `rows`, each with its mark: a map-style dataset."""

    def __init__(self, rows: TokenRows, order: Integers) -> None:
        self._row = rows.reader()
        self._order, self._sides = np.asarray(order), rows.sides

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, at: int) -> Row:
        """Tokens and labels as int32 arrays, and whether the answer is desired."""
        place = int(self._order[at])
        ids, labels = self._row(place)
        return {"input_ids": ids, "labels": labels, "label": bool(self._sides[place] == BETTER)}
