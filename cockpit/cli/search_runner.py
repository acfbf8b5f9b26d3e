"""SearchRunner: puts one trial after another into the queue, stops what is behind, and keeps what it has come to"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec

from cockpit.protocol.commands import Stop
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.best import Measured
from cockpit.runs.link import new_command_id
from cockpit.runs.queue import Queue, Waiting
from cockpit.runs.searches import Search, Trial, run_of
from cockpit.runs.status import MOST_TRIES, is_active
from cockpit.runs.summary import Summaries
from cockpit.text.numbers import metric as metric_text
from cockpit.text.plain_text import plain_line
from cockpit.tuning.search import Outcome, Tried, is_behind, next_values
from cockpit.tuning.search_space import Range, Value, setting_of


class SearchRunner:
    """`step` does what is due, and waits for nothing. Who works through the queue is nothing to it."""

    def __init__(
        self,
        search: Search,
        space: list[Range],
        queue: Queue,
        say: Callable[[str], None],
        *,
        trials: int,
        folder: str,
        together: int = 1,
        seed: int = 42,
    ) -> None:
        """`folder` is the working folder of the runs, `together` how many trials may be under way at once."""
        self.search, self._space, self._queue, self._say = search, space, queue, say
        self._most, self._folder, self._together, self._seed = trials, folder, together, seed
        self._more = search.rises
        self._summaries, self._measured = Summaries(), Measured(search.metric)
        self._told: set[str] = set()

    def step(self) -> bool:
        """Whether anything is left to be done. Raises OSError where its file or the queue cannot be written."""
        entries = self._entries()
        self._note_runs(entries)
        tried = [self._tried(trial, entries) for trial in self.search.trials]
        for trial, one in zip(self.search.trials, tried, strict=True):
            self._look_after(trial, one, tried)
        under_way = sum(one.outcome in ("waits", "runs") for one in tried)
        if len(tried) < self._most and under_way < self._together:
            if self._add(tried):
                return True
            self._most = len(tried)
            self._say(f"All {self._most} combinations are tried.")
        return under_way > 0

    def tried(self) -> list[Tried]:
        """What has come of each trial by now."""
        entries = self._entries()
        return [self._tried(trial, entries) for trial in self.search.trials]

    def winner(self) -> tuple[Trial, float] | None:
        """The best of those that were trained to their ends, and its metric; None before the first."""
        found = [
            (trial, value)
            for trial, one in zip(self.search.trials, self.tried(), strict=True)
            if one.outcome == "completed" and (value := one.best(more_is_better=self._more)) is not None
        ]
        return min(found, key=lambda pair: -pair[1] if self._more else pair[1], default=None)

    def _entries(self) -> dict[str, Waiting]:
        return {one.id: one for one in self._queue.entries()}

    def _tried(self, trial: Trial, entries: dict[str, Waiting]) -> Tried:
        run, entry = run_of(trial), entries.get(trial.entry)
        if run is None:
            return Tried(trial.values, "waits" if entry is not None and entry.is_waiting else "failed")
        summary = self._summaries.of(run)
        state, measured = summary.state, self._measured.of(run)
        goes_on = is_active(state) or (summary.is_lost and entry is not None and entry.tries < MOST_TRIES)
        outcome: Outcome = "runs" if goes_on else "completed" if state == "completed" else "failed"
        if trial.stopped and outcome == "failed":
            outcome = "behind"
        return Tried(trial.values, outcome, measured)

    def _note_runs(self, entries: dict[str, Waiting]) -> None:
        became = {entry.id: entry.run for entry in entries.values() if entry.run}
        trials = [
            trial if trial.run or trial.entry not in became else msgspec.structs.replace(trial, run=became[trial.entry])
            for trial in self.search.trials
        ]
        if tuple(trials) != self.search.trials:
            self._keep(trials)

    def _look_after(self, trial: Trial, one: Tried, tried: list[Tried]) -> None:
        if one.outcome == "runs" and not trial.stopped:
            others = [other for other in tried if other is not one]
            if is_behind(others, one, more_is_better=self._more):
                self._stop(trial)
        elif one.outcome not in ("waits", "runs") and trial.entry not in self._told:
            self._told.add(trial.entry)
            best = one.best(more_is_better=self._more)
            words = {"behind": "stopped, as it is behind", "failed": "failed"}.get(one.outcome, "completed")
            value = "" if best is None else f", {plain_line(self.search.metric)} {metric_text(best)}"
            self._say(f"{self._name(trial.values)}: {words}{value}")

    def _stop(self, trial: Trial) -> None:
        """By the engine's own command: what it has trained is saved."""
        run = run_of(trial)
        assert run is not None
        with suppress(OSError):  # a full disk: it is asked for again
            run.send(Stop(id=new_command_id()))
            stopped = msgspec.structs.replace(trial, stopped=True)
            self._keep([stopped if one.entry == trial.entry else one for one in self.search.trials])

    def _add(self, tried: list[Tried]) -> bool:
        """Whether there were values left that had not been tried."""
        document = RecipeDocument.parse(self.search.recipe, self.search.name)
        values = None if tried else self._written(document)  # the recipe as it is comes first
        if values is None:
            values = next_values(self._space, tried, more_is_better=self._more, seed=self._seed)
            if values is None:
                return False
            for field, value in values.items():
                document.set_from_text(setting_of(field, value))
        suffix = "".join(f"-{field.rpartition('.')[2]}-{_shown(value)}" for field, value in values.items())
        entry = self._queue.add(f"{self.search.name}{suffix}", document.resolved_yaml(), self._folder, self.search.id)
        try:
            self._keep([*self.search.trials, Trial(values=values, entry=entry.id)])
        except OSError:
            self._queue.remove(entry)  # else it would train, and no search would know of it
            raise
        self._say(f"{self._name(values)}: trial {len(self.search.trials)} of {self._most}")
        return True

    def _written(self, document: RecipeDocument) -> dict[str, Value] | None:
        """The recipe's own values, of a list the one that means the same; None where one lies outside."""
        found: dict[str, Value] = {}
        for one in self._space:
            own = document.value(one.field)
            if one.choices:
                own = next((choice for choice in one.choices if self._meant(one.field, choice) == own), None)
            if not one.holds(own):
                return None
            found[one.field] = own
        return found

    def _meant(self, field: str, choice: str) -> object:
        """What a field holds once it was set to a choice."""
        changed = RecipeDocument.parse(self.search.recipe, self.search.name)
        changed.set_from_text(setting_of(field, choice))
        return changed.value(field)

    def _keep(self, trials: list[Trial]) -> None:
        self.search = msgspec.structs.replace(self.search, trials=tuple(trials))
        self.search.write()

    def _name(self, values: dict[str, Value]) -> str:
        return ", ".join(f"{field.rpartition('.')[2]} {_shown(value)}" for field, value in values.items())

    def table(self) -> list[str]:
        """All trials, the best first, with what has come of each."""
        rows = []
        for trial, one in zip(self.search.trials, self.tried(), strict=True):
            best = one.best(more_is_better=self._more)
            order = (
                one.outcome != "completed",
                best is None,
                (-best if self._more else best) if best is not None else 0,
            )
            value = metric_text(best) if best is not None else "-"
            rows.append(
                (order, f"{value:>10}  {one.outcome:<10} {self._name(trial.values):<40} {plain_line(trial.run)}")
            )
        return [f"{plain_line(self.search.metric):>10}", *(text.rstrip() for _, text in sorted(rows))]


def _shown(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else plain_line(str(value))
