"""What was measured of a run on held-out rows, and the best of it: by default of what its method is judged by"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from math import isfinite, nan
from typing import Any

from cockpit.disk import open_to_read
from cockpit.protocol.event_lines import decode_lines
from cockpit.protocol.events import LOSS, MainFigure, TrainingPlanned
from cockpit.runs.folder import RunDir

MOST_BYTES = 64 << 20
"""Of a log that is longer it is not looked for."""
PLANNED, EVALUATED = b'{"type":"TrainingPlanned"', b'{"type":"Evaluated"'


def best_held_out(run: RunDir) -> tuple[float, int] | None:
    """Value and step; None where nothing was measured, or the log is too long to be read for that. What an attempt has
    measured after the checkpoint that a later one resumed from counts too: it was there to be had."""
    best: tuple[float, int] | None = None
    for step, metrics, main in _evaluations(run):
        value = _finite(metrics, f"eval_{main.name}")
        if value is not None and (best is None or (value > best[0] if main.rises else value < best[0])):
            best = value, step
    return best


def measured_of(run: RunDir, metric: str) -> dict[int, float]:
    """The value of one metric by step, NaN where it is not a finite number; as `best_held_out` else."""
    return {step: _number(metrics[metric]) for step, metrics, _ in _evaluations(run) if metric in metrics}


class Measured:
    """What was measured of runs that are asked about again and again: a log that has not grown is not read again."""

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._known: dict[str, tuple[int, dict[int, float]]] = {}

    def of(self, run: RunDir) -> dict[int, float]:
        """As `measured_of`."""
        try:
            size = run.events.stat().st_size
        except OSError:
            return {}
        known = self._known.get(run.id)
        if known is None or known[0] != size:
            known = self._known[run.id] = size, measured_of(run, self._metric)
        return known[1]


def _evaluations(run: RunDir) -> Iterator[tuple[int, Mapping[str, Any], MainFigure]]:
    main = LOSS
    try:
        with open_to_read(run.events) as log:
            if os.fstat(log.fileno()).st_size > MOST_BYTES:
                return
            for line in log:
                if line.startswith(PLANNED):
                    main = next((one.main for one in decode_lines(line, []) if isinstance(one, TrainingPlanned)), main)
                if not line.startswith(EVALUATED):
                    continue
                try:
                    event = json.loads(line)
                    step, metrics = int(event["step"]), dict(event["metrics"])
                except (ValueError, KeyError, TypeError, RecursionError):
                    continue
                yield step, metrics, main
    except OSError:
        return


def _finite(metrics: Mapping[str, Any], name: str) -> float | None:
    value = _number(metrics.get(name))
    return value if isfinite(value) else None


def _number(value: object) -> float:
    """NaN for what is no finite number."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        return nan
    return number if isfinite(number) else nan
