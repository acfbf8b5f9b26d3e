"""Steps: the optimizer steps of a run as columns, and what is derived from them: pace, direction of the loss."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from math import inf, isfinite
from operator import attrgetter, itemgetter
from typing import NamedTuple

from cockpit.protocol.events import StepEnded
from cockpit.runs.columns import Column, raw_values
from cockpit.runs.direction import direction
from cockpit.runs.pace import Stretch
from cockpit.runs.table import Table

PACE_STEPS = 30
"""Steps that the estimates of pace look back on."""
DIRECTION_SHARE = 16
"""One in so many of all steps is what the direction of the loss looks at, twice: the newest, and those before."""
DIRECTION_LEAST, DIRECTION_MOST = 10, 250
"""Steps of each."""
_facts = attrgetter("at", "epoch", "step_time_s", "metrics")


class StepParts(NamedTuple):
    """A step's seconds: waiting for data, forward and backward, in all; and its tokens with padding. None where it was
    not measured."""

    data_s: float | None
    model_s: float | None
    whole_s: float | None
    tokens: int | None


class Steps(Table):
    """The steps, ascending. Times in seconds, `at` in Unix time; tokens are counted from the start of the run.

    A step that was there before (a resume went back) replaces it and all after it. An event costs no more in a long
    run than in a short one, and many at once cost less than each by itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.at, self.epoch, self.step_time_s = (Column(self._shelf) for _ in range(3))
        self.parts: deque[StepParts] = deque(maxlen=PACE_STEPS)
        """Of the last PACE_STEPS steps of this attempt, its first one left out."""
        self.attempt_from = 0
        """Index of the first step of the present attempt."""
        self._spent_s = 0.0
        """The times of the steps of the present attempt, the first left out; infinite where one is not known."""

    def append(self, event: StepEnded) -> None:
        """Add a step."""
        self.extend([event])

    def extend(self, events: Sequence[StepEnded]) -> None:
        """Add steps, in their order."""
        if not events:
            return
        numbers = [event.step for event in events]
        begin = 0
        if numbers != [*range(numbers[0], numbers[0] + len(numbers))]:
            for at in range(1, len(numbers)):
                if numbers[at] <= numbers[at - 1]:
                    self._add(numbers[begin:at], events[begin:at])
                    begin = at
        self._add(numbers[begin:], events[begin:])

    def column(self, name: str) -> Column | None:
        """The column of a metric, or of at, epoch or step_time_s; None where it was never measured."""
        match name:
            case "at" | "epoch" | "step_time_s":
                found: Column = getattr(self, name)
                return found
        return self.metrics.get(name)

    def pace(self) -> list[float]:
        """The last PACE_STEPS step times of this attempt, its first step (which compiles) left out, and those that are
        not known."""
        first = max(self.attempt_from + 1, len(self) - PACE_STEPS)
        return [*filter(isfinite, self.step_time_s.raw(first, len(self)))]

    def per_second(self, name: str) -> float | None:
        """How much of a figure that is counted from the start came in a second, over the steps of `pace`; None where
        that is not known."""
        first, last = max(self.attempt_from + 1, len(self) - PACE_STEPS), len(self)
        column = self.column(name)
        if column is None or first >= last:
            return None
        begin, end = column[first - 1], column[last - 1]
        took = self.step_time_s.raw(first, last)
        if self.step[last - 1] - self.step[first - 1] != last - first:  # not every step was logged
            took = array("d", (s * (self.step[first + at] - self.step[first + at - 1]) for at, s in enumerate(took)))
        whole_s = sum(took)
        if begin is None or end is None or not isfinite(end - begin) or not isfinite(whole_s) or whole_s <= 0:
            return None
        return (end - begin) / whole_s

    def shares(self) -> tuple[float, float, float] | None:
        """Shares of the last steps' time: waiting for data, forward and backward, the rest; None where it was not
        measured."""
        known = [
            (data, model, whole)
            for data, model, whole, _ in self.parts
            if data is not None and model is not None and whole is not None
        ]
        data_s, model_s, whole_s = (sum(part) for part in zip(*known, strict=True)) if known else (0.0, 0.0, 0.0)
        if whole_s <= 0:
            return None
        return data_s / whole_s, model_s / whole_s, max(0.0, 1 - (data_s + model_s) / whole_s)

    def direction_of(self, figure: str) -> int | None:
        """Where a figure goes (runs/direction.py); None where its newest value is not a finite number."""
        newest = self.latest(figure)
        if newest is None or not isfinite(newest):
            return None
        many = 2 * min(DIRECTION_MOST, max(DIRECTION_LEAST, len(self) // DIRECTION_SHARE))
        return direction([value for value in self.recent(figure, many) if value is not None and isfinite(value)])

    def batch_tokens_per_s(self) -> float | None:
        """Tokens a second with padding, over the same steps; None where it was not measured."""
        known = [(part.tokens, part.whole_s) for part in self.parts if None not in (part.tokens, part.whole_s)]
        tokens, whole_s = (sum(part) for part in zip(*known, strict=True)) if known else (0.0, 0.0)
        return tokens / whole_s if whole_s > 0 else None

    def stretch(self) -> Stretch:
        """From the end of this attempt's first step, which compiles, to that of its newest; empty where not every step
        was logged, with its time."""
        steps = len(self) - self.attempt_from
        if steps < 2 or not isfinite(self._spent_s) or self.newest_step - self.step[self.attempt_from] >= steps:
            return Stretch()
        began, newest = self.at[self.attempt_from] or 0.0, self.at[-1] or 0.0
        return Stretch(steps - 1, max(0.0, newest - began), self._spent_s)

    def begin_attempt(self) -> None:
        """What comes now is another attempt's."""
        self.attempt_from, self._spent_s = len(self), 0.0
        self.parts.clear()

    def go_on_after(self, step: int) -> None:
        """A new attempt begins after `step`; later ones are forgotten."""
        self.cut(self.step.row_from(step + 1))
        self.begin_attempt()

    def cut(self, rows: int) -> None:
        """Forget all but the first `rows`."""
        if rows >= len(self):
            return
        super().cut(rows)
        for column in (self.at, self.epoch, self.step_time_s):
            column.cut(rows)
        self.attempt_from = min(self.attempt_from, rows)
        self.parts.clear()
        seconds, known = self.step_time_s.total(self.attempt_from + 1, rows)
        self._spent_s = seconds if known == max(0, rows - self.attempt_from - 1) else inf

    def _add(self, steps: Sequence[int], events: Sequence[StepEnded]) -> None:
        """Add steps that ascend, with their numbers."""
        at, epoch, times, metrics = zip(*map(_facts, events), strict=True)
        if steps[0] <= self.newest_step:
            self.cut(self.step.row_from(steps[0]))
        rows = len(self)
        figures = _by_name(metrics)
        self.add(steps, figures)
        if None in times or None in epoch:
            times, epoch = (tuple(inf if one is None else one for one in column) for column in (times, epoch))
        self.at.extend(at)
        self.epoch.extend(epoch)
        self.step_time_s.extend(times)
        self._spent_s += sum(times[max(0, self.attempt_from + 1 - rows) :])
        known = events[max(0, self.attempt_from + 1 - rows, len(events) - PACE_STEPS) :]
        self.parts.extend(
            StepParts(event.data_s, event.forward_backward_s, event.step_time_s, event.batch_tokens) for event in known
        )


def _by_name(metrics: Sequence[Mapping[str, float | None]]) -> dict[str, Sequence[float]]:
    """The raw values of each metric (runs/columns.py)."""
    names = tuple(metrics[0])
    if len(names) > 1 and max(map(len, metrics)) == len(names):
        try:
            columns = zip(*map(itemgetter(*names), metrics), strict=True)
            return dict(zip(names, map(raw_values, columns), strict=True))
        except KeyError:
            pass  # not all of them have the same
    every = dict.fromkeys(name for figures in metrics for name in figures)
    return {name: [raw_values([figures[name]])[0] if name in figures else inf for figures in metrics] for name in every}
