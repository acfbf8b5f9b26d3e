"""Two machines that train one run, as two processes over loopback: stopped from the second, killed, resumed by one

python -m tests.torture.nodes

Each `machine` is a cockpit train --nodes 2 with a rank of its own, through torchrun's static rendezvous. Shown: losses
of one rank; a SIGTERM to the second stops and saves; both resume, and then one; a launcher that is killed on either
ends the run, and leaves no process behind.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cockpit.runs.folder import all_runs
from cockpit.runs.summary import RunSummary
from tests.engine import tiny
from tests.torture.ranks import difference, left_after, losses, recipe, trained, until_step, weights_difference
from tests.torture.twice import cockpit

GONE_WITHIN_S = 90.0
STEPS = 24


def machines(*command: str, gpus: str = "1") -> list[subprocess.Popen[str]]:
    """The command on each of two machines, the first one first."""
    place = f"127.0.0.1:{random.randint(20_000, 60_000)}"
    return [
        cockpit(*command, "--gpus", gpus, "--nodes", "2", "--node-rank", str(node), "--rdzv", place) for node in (0, 1)
    ]


def ended(processes: list[subprocess.Popen[str]]) -> list[int | None]:
    """The exit statuses, once they have ended."""
    for process in processes:
        process.communicate(timeout=300)
    return [process.returncode for process in processes]


def main() -> int:
    """What was shown, and what went wrong."""
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        os.environ |= {
            "COCKPIT_HOME": str(folder / "cockpit"), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1",
            "GLOO_SOCKET_IFNAME": "lo",
        }  # fmt: skip
        tiny.make_model(folder / "model")
        tiny.write_rows(folder / "rows.jsonl", tiny.chat_rows(45))
        one = trained("train", recipe(folder, "transformers", 1))
        path = recipe(folder, "transformers", 2)

        both = machines("train", path)
        status = ended(both)
        run = all_runs()[0]
        off, weights = difference(losses(one), losses(run)), weights_difference(one, run)
        print(f"two machines: {status}, losses off by {off:.1e}, weights by {weights:.1e}", flush=True)
        faults += [] if status == [0, 0] and off <= 1e-5 and weights <= 1e-4 else [f"{status}, {off}, {weights}"]

        both = machines("train", path)
        while len(all_runs()) < 3:
            time.sleep(0.1)
        run = all_runs()[0]
        until_step(run, 3)
        both[1].send_signal(signal.SIGTERM)
        status = ended(both)
        step, state = RunSummary.of(run).step, RunSummary.of(run).state
        print(f"SIGTERM to the second: {status}, {state} after step {step}", flush=True)
        faults += [] if (status, state) == ([130, 130], "stopped") or step == STEPS else [f"{status}, {state}"]
        both = machines("resume", run.id)
        until_step(run, min(step + 3, STEPS))
        both[0].send_signal(signal.SIGTERM)
        status = ended(both)
        print(f"both resume, SIGTERM to the first: {status}, after step {RunSummary.of(run).step}", flush=True)
        if RunSummary.of(run).step < STEPS:
            process = cockpit("resume", run.id, "--gpus", "1")
            said = process.communicate()[0]
            faults += [] if process.returncode == 0 else [said]
        off, weights = difference(losses(one), losses(run)), weights_difference(one, run)
        print(f"resumed by both, then by one: losses off by {off:.1e}, weights by {weights:.1e}", flush=True)
        faults += [] if off <= 1e-5 and weights <= 1e-4 else [f"resumed: {off}, {weights}"]

        long = recipe(folder, "transformers", 2, 100_000)
        for victim in (1, 0):
            known = len(all_runs())
            both = machines("train", long)
            while len(all_runs()) == known:
                time.sleep(0.1)
            run = all_runs()[0]
            until_step(run, 5)
            launchers = _launchers(str(run.path))
            os.kill(launchers[victim], signal.SIGKILL)
            since = time.monotonic()
            left = left_after(run, GONE_WITHIN_S)
            status = ended(both)
            summary = RunSummary.of(run)
            took = time.monotonic() - since
            print(f"launcher {victim} killed: {summary.state}, {status}, gone after {took:.1f} s", flush=True)
            faults += [] if not left and summary.is_lost else [f"launcher {victim}: {summary.state}, left {left}"]
    print(f"{len(faults)} failures", *faults, sep="\n  ")
    return 1 if faults else 0


def _launchers(folder: str) -> list[int]:
    """The processes that have started the ranks of a run, by their machine."""
    import psutil

    found: dict[int, int] = {}
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if "cockpit.engine.torchrun" in line and folder in line:
            found[int(line[line.index("--node-rank") + 1])] = process.pid
    return [found[node] for node in sorted(found)]


if __name__ == "__main__":
    sys.exit(main())
