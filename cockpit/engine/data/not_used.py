"""What the rows of a source hold that no turn is made of, counted"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from cockpit.data.report import NotUsed, UnusedKind

Unused = tuple[UnusedKind, str]
"""Something that is not used: what it is, and its name."""


class NotUsedCount:
    """In how many rows each column, key of turns and key of parts stood that was not used."""

    def __init__(self) -> None:
        self._rows: Counter[Unused] = Counter()

    def add(self, unused: Iterable[Unused]) -> None:
        """One row more has these, each once."""
        self._rows.update(unused)

    def found(self, source: str) -> list[NotUsed]:
        """All of them, those of the most rows first; `source` is what their rows are of."""
        order = sorted(self._rows.items(), key=lambda one: (KINDS.index(one[0][0]), -one[1], one[0][1]))
        return [NotUsed(source=source, kind=kind, name=name, rows=rows) for (kind, name), rows in order]


KINDS: tuple[UnusedKind, ...] = ("column", "turn", "part", "row", "template")
