"""The command that a recipe names for the end of its run, with the run's facts in its environment"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from cockpit.protocol.events import RunEnded
from cockpit.runs.folder import RunDir
from cockpit.runs.summary import RunSummary

WAITS_S = 20.0
"""For the command, before the engine's process ends; it goes on by itself then."""


def facts(run: RunDir, ended: RunEnded) -> dict[str, str]:
    """What is known of the run, as variables of an environment; empty for what is not."""
    summary = RunSummary.of(run)
    known = {
        "RUN": run.id,
        "FOLDER": run.path,
        "RECIPE": summary.recipe_name,
        "OUTCOME": ended.outcome,
        "REASON": ended.reason,
        "STEP": ended.step,
        "TOTAL_STEPS": summary.total_steps,
        "LOSS": summary.loss,
        "EVAL_LOSS": summary.eval_loss,
        "RESULT": run.result,
        "ATTEMPT": summary.attempts,
        "STARTED_AT": int(summary.started_at),
    }
    return {f"COCKPIT_{name}": "" if value is None else str(value).replace("\0", "") for name, value in known.items()}


def start(command: str, run: RunDir, ended: RunEnded) -> subprocess.Popen[bytes]:
    """Run the command in the run's folder; what it writes goes to engine.log. Raises OSError."""
    return subprocess.Popen(
        ["/bin/sh", "-c", command], cwd=Path(run.path), stdin=subprocess.DEVNULL, start_new_session=True,
        env=os.environ | facts(run, ended),
    )  # fmt: skip
