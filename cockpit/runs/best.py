"""The best held-out loss of a run, and the step that had it"""

from __future__ import annotations

import json
import os
from math import isfinite

from cockpit.disk import open_to_read
from cockpit.runs.folder import RunDir

MOST_BYTES = 64 << 20
"""Of a log that is longer it is not looked for."""
EVALUATED = b'{"type":"Evaluated"'


def best_held_out(run: RunDir) -> tuple[float, int] | None:
    """Loss and step; None where nothing was measured, or the log is too long to be read for that. What an attempt has
    measured after the checkpoint that a later one resumed from counts too: it was there to be had."""
    best: tuple[float, int] | None = None
    try:
        with open_to_read(run.events) as log:
            if os.fstat(log.fileno()).st_size > MOST_BYTES:
                return None
            for line in log:
                if not line.startswith(EVALUATED):
                    continue
                try:
                    event = json.loads(line)
                    loss, step = float(event["metrics"]["eval_loss"]), int(event["step"])
                except (ValueError, KeyError, TypeError, RecursionError):
                    continue
                if isfinite(loss) and (best is None or loss < best[0]):
                    best = loss, step
    except OSError:
        return None
    return best
