"""RunShelf: the runs of this machine, each log read again only when it has grown."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.runs.best import best_held_out
from cockpit.runs.folder import RunDir, all_runs
from cockpit.runs.label import Label
from cockpit.runs.labels import STATES
from cockpit.runs.summary import RunSummary, Summaries, rank

if TYPE_CHECKING:
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.details import RunDetails

ORDERS = ("started", "loss", "held-out", "best")
"""The last first, then the best main figure, that of the held-out rows and the best of these first."""
SHOWN = 50
"""Runs in the list; a filter looks through all."""
PART_S = 0.01
"""Seconds of reading logs at a time, so that no frame waits for thousands of runs."""

Stamp = tuple[int, int]


class RunShelf:
    """`look` reads what is new."""

    def __init__(self) -> None:
        self.rows: list[RunSummary] = []
        """The runs that are to be shown, the newest first."""
        self.is_whole = True
        """Whether all runs have been looked through; if not, `look` again."""
        self._summaries = Summaries()
        self.labels: dict[str, Label] = {}
        """Of those of them that have one, by their ids."""
        self.order = ORDERS[0]
        """Of ORDERS."""
        self._best: dict[str, tuple[Stamp, float | None]] = {}
        self._known: dict[str, RunSummary] = {}
        self._details: dict[str, tuple[Stamp, RunDetails]] = {}
        self._recipes: dict[str, tuple[Stamp, Recipe | None]] = {}

    def look(self, words: Sequence[str] = ()) -> None:
        """Read runs: the newest; or those that `words`, in lower case, are all said of, or all that there are where
        they are sorted otherwise, as far as time allows."""
        until = time.monotonic() + PART_S
        rows: list[RunSummary] = []
        reads_all = bool(words) or self.order != ORDERS[0]
        self.is_whole, has_read = True, False
        for run in all_runs():
            if len(rows) == SHOWN and self.order == ORDERS[0]:
                break
            if reads_all and run.id not in self._known:
                if has_read and time.monotonic() > until:
                    self.is_whole = False
                    continue
                has_read = True
            summary = self._known[run.id] = self._summaries.of(run)
            if all(word in _said_of(summary) for word in words):
                rows.append(summary)
        if self.order != ORDERS[0]:
            rows.sort(key=self._key)
        self.rows = rows[:SHOWN]
        labels = {row.run.id: Label.of(row.run) for row in self.rows}
        self.labels = {name: label for name, label in labels.items() if label != Label()}

    def next_order(self) -> None:
        """Sort by the next of ORDERS from now on."""
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]

    def _key(self, summary: RunSummary) -> tuple[bool, str, float]:
        """What is not known comes last."""
        if self.order == "best":
            known = self._best.get(summary.run.id)
            stamp = stamp_of(summary.run.events)
            if known is None or known[0] != stamp:
                found = best_held_out(summary.run)
                known = self._best[summary.run.id] = (stamp, found[0] if found is not None else None)
            value = known[1]
        else:
            value = summary.value if self.order == "loss" else summary.held_out
        return rank(value, summary.main)

    def find(self, run_id: str) -> RunSummary | None:
        """A run that has been read."""
        return self._known.get(run_id)

    def details(self, run: RunDir) -> tuple[RunDetails, Recipe | None]:
        """What a card says of a run, and what it was trained with, None where that cannot be read."""
        from cockpit.runs.details import RunDetails

        stamp, known = stamp_of(run.events), self._details.get(run.id)
        if known is None or known[0] != stamp:
            known = self._details[run.id] = (stamp, RunDetails.of(run))
        return known[1], self._recipe(run)

    def known_details(self, run: RunDir) -> tuple[RunDetails, Recipe | None] | None:
        """Those that need no reading."""
        known = self._details.get(run.id)
        return self.details(run) if known is not None and known[0] == stamp_of(run.events) else None

    def _recipe(self, run: RunDir) -> Recipe | None:
        from cockpit.recipe.problem import RecipeError
        from cockpit.runs.origin import recipe_of_run

        stamp, known = stamp_of(run.recipe), self._recipes.get(run.id)
        if known is None or known[0] != stamp:
            try:
                recipe = recipe_of_run(run.path).recipe()
            except (RecipeError, OSError):
                recipe = None
            known = self._recipes[run.id] = (stamp, recipe)
        return known[1]


def _said_of(summary: RunSummary) -> str:
    label = Label.of(summary.run)
    words = [summary.run.id, summary.recipe_name, STATES[summary.state], label.name, label.note, *label.tags]
    return " ".join(words).lower()


def stamp_of(path: Path) -> Stamp:
    """Changes whenever the file does."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)
