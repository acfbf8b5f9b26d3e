"""The best that a run has come to: its main figure of the held-out rows, and the step that had it"""

from __future__ import annotations

import json
import os
from math import isfinite

from cockpit.disk import open_to_read
from cockpit.protocol.event_lines import decode_lines
from cockpit.protocol.events import LOSS, TrainingPlanned
from cockpit.runs.folder import RunDir

MOST_BYTES = 64 << 20
"""Of a log that is longer it is not looked for."""
PLANNED, EVALUATED = b'{"type":"TrainingPlanned"', b'{"type":"Evaluated"'


def best_held_out(run: RunDir) -> tuple[float, int] | None:
    """Value and step; None where nothing was measured, or the log is too long to be read for that. What an attempt has
    measured after the checkpoint that a later one resumed from counts too: it was there to be had."""
    best: tuple[float, int] | None = None
    main = LOSS
    try:
        with open_to_read(run.events) as log:
            if os.fstat(log.fileno()).st_size > MOST_BYTES:
                return None
            for line in log:
                if line.startswith(PLANNED):
                    main = next((one.main for one in decode_lines(line, []) if isinstance(one, TrainingPlanned)), main)
                if not line.startswith(EVALUATED):
                    continue
                try:
                    event = json.loads(line)
                    value, step = float(event["metrics"][f"eval_{main.name}"]), int(event["step"])
                except (ValueError, KeyError, TypeError, RecursionError):
                    continue
                if isfinite(value) and (best is None or (value > best[0] if main.rises else value < best[0])):
                    best = value, step
    except OSError:
        return None
    return best
