"""The engine killed at random moments, resumed until the run completes: its adapter is that of an undisturbed run

python -m tests.torture.kills [--trials N]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from cockpit.protocol import events as ev
from cockpit.runs.folder import RunDir, all_runs
from tests.torture.twice import cockpit, logged

RECIPE = ["training.max_steps=30", "data.eval_rows=8", "output.save_steps=3", "training.eval_steps=10"]


def settings() -> list[str]:
    """The short run, as options of `cockpit train`."""
    return [part for setting in RECIPE for part in ("--set", setting)]


def adapter_hash(run: RunDir) -> str:
    """SHA-256 of the weights that the run has saved."""
    return hashlib.sha256((run.adapter / "adapter_model.safetensors").read_bytes()).hexdigest()


def newest_run(before: set[Path]) -> RunDir | None:
    """The run that was not there before."""
    return next((run for run in all_runs() if run.path not in before), None)


def killed_once(draw: random.Random, undisturbed: str) -> str:
    """Why the run is not as the undisturbed one, empty where it is."""
    before = {run.path for run in all_runs()}
    started = cockpit("train", "demo", *settings())
    while (run := newest_run(before)) is None or not any(isinstance(event, ev.StepEnded) for event in logged(run)):
        if started.poll() is not None:
            return started.communicate()[0]
        time.sleep(0.05)
    time.sleep(draw.uniform(0, 3))
    identity = run.identity()
    if identity is not None and run.liveness() == "alive":
        os.kill(identity.pid, signal.SIGKILL)
    if draw.random() < 0.5:
        started.send_signal(signal.SIGKILL)  # whoever watches goes too
    started.communicate()
    for _ in range(3):
        if any(isinstance(event, ev.RunEnded) and event.outcome == "completed" for event in logged(run)):
            break
        resumed = cockpit("resume", run.id)
        said = resumed.communicate()[0]
        if resumed.returncode and "no checkpoint to resume from" in said:
            return ""  # killed before the first one: that is told, and nothing is lost that was kept
    else:
        return said
    return "" if adapter_hash(run) == undisturbed else f"{run.id}: the adapter differs"


def main() -> int:
    """The table, and what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.kills")
    parser.add_argument("--trials", type=int, default=10)
    trials, draw = parser.parse_args().trials, random.Random(0)
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"COCKPIT_HOME": str(Path(home) / "cockpit"), "CUDA_VISIBLE_DEVICES": ""}
        said = cockpit("train", "demo", *settings()).communicate()[0]
        if not all_runs() or all_runs()[0].result is None:
            print(said)
            return 1
        undisturbed = adapter_hash(all_runs()[0])
        faults = [fault for _ in range(trials) if (fault := killed_once(draw, undisturbed))]
        print(f"kills of the engine: {trials} trials, {len(faults)} failures", *faults, sep="\n  ")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
