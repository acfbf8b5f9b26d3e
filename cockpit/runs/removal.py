"""Removing runs: how much room that makes, why it must not be, and doing it so that no half of a run is left"""

from __future__ import annotations

import os
import shutil
from uuid import uuid4

from cockpit.runs.checkpoint import checkpoints
from cockpit.runs.folder import RunDir
from cockpit.runs.status import is_active
from cockpit.runs.summary import RunSummary
from cockpit.text.plain_text import plain_line

DOOMED = ".removed-"


def size_of(run: RunDir) -> int:
    """Bytes on the disk of all that lies in the run's folder; links count as links."""
    total = 0
    for folder, _, files in os.walk(run.path):
        for name in files:
            try:
                status = os.lstat(os.path.join(folder, name))  # noqa: PTH118
            except OSError:
                continue
            total += status.st_blocks * 512
    return total


def why_not_removable(run: RunDir) -> str:
    """Why the run must not be removed now, in a sentence; empty where it may be."""
    name = plain_line(run.id)
    if is_active(RunSummary.of(run).state):
        return f"The run {name} is still going; stop it first."
    if run.liveness() in ("alive", "starting", "silent"):
        return f"An engine still answers chats of the run {name}; leave the chat first (cockpit send {name} unload)."
    return ""


def what_is_kept(run: RunDir) -> str:
    """What of value would go with the run, in words; empty where nothing would."""
    kept = [f"its {run.result.name}"] if run.result is not None else []
    many = len(checkpoints(run.checkpoints))
    kept += [f"{many} checkpoint{'s' * (many != 1)}"] if many else []
    return " and ".join(kept)


def remove(run: RunDir) -> None:
    """Remove the folder and all in it. Raises ValueError with a sentence where it must not be, OSError where it cannot.

    It goes under another name first, so that nobody finds a run of which half is gone."""
    if why_not := why_not_removable(run):
        raise ValueError(why_not)
    doomed = run.path.with_name(f"{DOOMED}{uuid4().hex}")
    run.path.rename(doomed)
    shutil.rmtree(doomed)
