"""What a run came to, beyond its line in a list; a long log is read at both ends and in samples between."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import isfinite, isnan
from pathlib import Path
from statistics import fmean

from cockpit.disk import open_to_read
from cockpit.protocol import event_lines
from cockpit.protocol import events as ev
from cockpit.runs.checkpoint import checkpoints
from cockpit.runs.folder import RunDir
from cockpit.runs.log_ends import LogEnds
from cockpit.runs.state import RunState
from cockpit.runs.steps import Steps
from cockpit.runs.table import Table

ENDS = 10
"""Steps at each end of the run whose figures are told as a mean: one step's says little."""
WHOLE_BYTES = 256 * 1024
"""A log up to this size is read whole."""
SAMPLES, SAMPLE_BYTES = 96, 4 * 1024
"""Of a longer one so many places are read, of so many bytes each, between its ends."""
END_BYTES = 16 * 1024


@dataclass(frozen=True)
class Ends:
    """The mean of the main figure over the first and over the last few `steps`."""

    first: float
    last: float
    steps: int


@dataclass(frozen=True)
class RunDetails:
    """None: not known. `reason` and `advice` are the engine's sentences about the end; `took_s` is wall time of all
    attempts in seconds; `main` is what it is judged by, `held_out` that of the
    held-out rows, at first and of what was kept; `checkpoint` is the newest one's step;
    `result` what was saved last.
    """

    reason: str
    advice: str
    took_s: float | None
    gpus: int
    """How many the newest attempt has; 0 on the CPU."""
    main: ev.MainFigure
    ends: Ends | None
    held_out: tuple[float, float] | None
    data: ev.DataPrepared | None
    checkpoint: int | None
    result: ev.AdapterSaved | None
    steps: Steps
    """For a chart: all steps, or samples of them."""
    evaluations: Table
    """Those that are among what was read."""

    @classmethod
    def of(cls, run: RunDir) -> RunDetails:
        """Read the run's log, as much as tells its course. What cannot be read is not known."""
        ends, state = LogEnds(), RunState()
        ends.read(run.events)
        state.take(ends.events)
        steps, evaluations = _course(run.events)
        saved = checkpoints(run.checkpoints)
        return cls(
            reason=state.ended.reason if state.ended else "",
            advice=state.ended.advice if state.ended else "",
            took_s=_took_s(state, ends.events),
            gpus=len(state.run.gpus) if state.run else 0,
            main=state.main,
            ends=ends_of(steps, state.main.name),
            held_out=state.before_and_after,
            data=state.data,
            checkpoint=saved[0].step if saved else None,
            result=state.adapter,
            steps=steps,
            evaluations=evaluations,
        )


def _took_s(state: RunState, found: list[ev.AnyEvent]) -> float | None:
    """Not known where an attempt began in the part of the log that was not read."""
    attempts = max((event.attempt for event in found), default=1)
    began = {event.attempt for event in found if isinstance(event, ev.RunStarted)}
    return state.elapsed_s if len(began) == attempts else None


def ends_of(steps: Steps, figure: str) -> Ends | None:
    """Where a figure began, and where it is now: NaN where its newest value is not a finite number. None where too
    little is known."""
    many, newest = min(ENDS, len(steps) // 2), steps.latest(figure)
    column = steps.column(figure)
    if column is None or newest is None:
        return None
    ends = (column.raw(0, many), column.raw(len(steps) - many, len(steps)))
    first, last = ([value for value in end if isfinite(value)] for end in ends)
    if not first or not (last or isnan(newest)):
        return None
    return Ends(fmean(first), newest if isnan(newest) else fmean(last), many)


def _course(path: Path) -> tuple[Steps, Table]:
    """The steps of a log, sampled where it is long, and the evaluations that were read with them."""
    state = RunState()
    for events in _samples(path):
        state.take(events)
    return state.steps, state.held_out


def _samples(path: Path) -> list[list[ev.AnyEvent]]:
    try:
        with open_to_read(path) as log:
            size = os.fstat(log.fileno()).st_size
            if size <= WHOLE_BYTES:
                return [event_lines.decode_lines(log.read(), [])]
            between = [END_BYTES + round((size - 2 * END_BYTES) * place / SAMPLES) for place in range(SAMPLES)]
            places = [(0, END_BYTES), *((begin, SAMPLE_BYTES) for begin in between), (size - END_BYTES, END_BYTES)]
            found = []
            for begin, length in places:
                log.seek(begin)
                lines = log.read(length)
                first = lines.find(b"\n") + 1 if begin else 0
                found.append(event_lines.decode_lines(lines[first : lines.rfind(b"\n") + 1], []))
            return found
    except OSError:
        return []
