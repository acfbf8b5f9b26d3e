"""Which run of a grid or a search is the best, by what was measured of it on held-out rows"""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.runs.best import best_held_out, measured_of
from cockpit.runs.queue import Waiting
from cockpit.runs.searches import Search
from cockpit.runs.summary import Summaries


class Winners:
    """Asked again and again: a log that has not grown is not read again."""

    def __init__(self) -> None:
        self._summaries = Summaries()
        self._searches: dict[str, Search | None] = {}
        self._best: dict[str, tuple[int, float | None]] = {}

    def best(self, entry: Waiting) -> float | None:
        """The best that was measured of an entry's run: by the metric of its search, of a grid by what its method is
        judged by. None before the first."""
        if not entry.run:
            return None
        try:
            size = entry.run_dir.events.stat().st_size
        except OSError:
            return None
        known = self._best.get(entry.run)
        if known is None or known[0] != size:
            known = self._best[entry.run] = size, self._measured(entry)
        return known[1]

    def winner(self, entries: Sequence[Waiting], group: str) -> Waiting | None:
        """The entry of the group whose run has completed and is the best; None before the first, and of no group."""
        found = [
            (-value if self._rises(entry) else value, entry)
            for entry in entries
            if group and entry.group == group and entry.run
            and self._summaries.of(entry.run_dir).state == "completed"
            and (value := self.best(entry)) is not None
        ]  # fmt: skip
        return min(found, key=lambda pair: pair[0], default=(None, None))[1]

    def _measured(self, entry: Waiting) -> float | None:
        search = self._search(entry.group)
        if search is None:
            found = best_held_out(entry.run_dir)
            return None if found is None else found[0]
        return search.best_of(measured_of(entry.run_dir, search.metric))

    def _rises(self, entry: Waiting) -> bool:
        search = self._search(entry.group)
        return self._summaries.of(entry.run_dir).main.rises if search is None else search.rises

    def _search(self, group: str) -> Search | None:
        if group not in self._searches:
            self._searches[group] = Search.named(group)
        return self._searches[group]
