"""Two of everything at once on one run: resumes with other settings, stops, chats, exports, as real processes

python -m tests.torture.twice trains a short demo, then lets two commands begin within a moment, `--trials` times each.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cockpit.protocol import events as ev
from cockpit.protocol.commands import Stop
from cockpit.protocol.event_log import EventReader
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import RunDir, all_runs
from cockpit.runs.link import new_command_id

TAKEN = "has an engine already"
STEPS = 6


def cockpit(*arguments: str) -> subprocess.Popen[str]:
    """The command, on the CPU, its output kept."""
    command = [sys.executable, "-m", "cockpit", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def both(commands: list[list[str]], gap_s: float) -> list[tuple[int, str]]:
    """Status and output of two commands, the second begun `gap_s` later."""
    one = cockpit(*commands[0])
    time.sleep(gap_s)
    two = cockpit(*commands[1])
    said = [process.communicate()[0] for process in (one, two)]
    return [(process.returncode, text) for process, text in zip((one, two), said, strict=True)]


def logged(run: RunDir) -> list[ev.AnyEvent]:
    """All events of the run."""
    reader, found = EventReader(run.events), []
    while batch := reader.poll():
        found += batch
    reader.close()
    return found


def two_resumes(run: RunDir, gap_s: float) -> str:
    """One goes on with its own settings, the other is told who has the run."""
    had = max(event.step for event in logged(run) if isinstance(event, ev.RunEnded))
    asked = (had + 2, had + 3)
    ended = both([["resume", run.id, "--set", f"training.max_steps={steps}"] for steps in asked], gap_s)
    won = [steps for steps, (status, _) in zip(asked, ended, strict=True) if status == 0]
    lost = [text for status, text in ended if status != 0]
    if len(won) != 1 or not any(words in lost[0] for words in (TAKEN, "still going", "an engine still")):
        return f"{ended}"
    trained = RecipeDocument.load(run.recipe).recipe().training.max_steps
    reached = max(event.step for event in logged(run) if isinstance(event, ev.RunEnded))
    return (
        "" if trained == reached == won[0] else f"{won[0]} steps were asked for, {trained} written, {reached} trained"
    )


def two_chats(run: RunDir, gap_s: float) -> str:
    """Each is answered, or told who has the run."""
    ended = both([["chat", run.id, "-p", "Hello?"]] * 2, gap_s)
    fine = [status == 0 or TAKEN in text for status, text in ended]
    return "" if all(fine) and any(status == 0 for status, _ in ended) else f"{ended}"


def two_stops(run: RunDir, gap_s: float) -> str:
    """A run that is resumed and stopped twice ends once, and has saved."""
    attempt = max(event.attempt for event in logged(run)) + 1
    resumed = cockpit("resume", run.id, "--set", "training.max_steps=1000000")
    while not any(isinstance(event, ev.StepEnded) and event.attempt == attempt for event in logged(run)):
        if resumed.poll() is not None:
            return resumed.communicate()[0]
        time.sleep(0.2)
    for _ in range(2):
        run.send(Stop(id=new_command_id()))
        time.sleep(gap_s)
    said = resumed.communicate()[0]
    ends = [event for event in logged(run) if isinstance(event, ev.RunEnded) and event.attempt == attempt]
    return "" if len(ends) == 1 and ends[0].outcome == "stopped" and run.result else said


def two_exports(run: RunDir, gap_s: float) -> str:
    """Two into two folders: each is complete, or told that another one is going on."""
    places = [run.path / "exports" / f"copy-{name}-{time.time_ns()}" for name in "ab"]
    ended = both([["export", run.id, "--as", "adapter", "--out", str(place)] for place in places], gap_s)
    complete = [(place / "adapter_config.json").is_file() for place in places]
    fine = [
        (status == 0 and is_there) or (not is_there and "Another export of this run is going on" in text)
        for (status, text), is_there in zip(ended, complete, strict=True)
    ]
    return "" if all(fine) and any(complete) else f"{ended}"


TRIALS: dict[str, Callable[[RunDir, float], str]] = {
    "two resumes": two_resumes,
    "two chats": two_chats,
    "two exports": two_exports,
    "two stops": two_stops,
}


def main() -> int:
    """The table, and what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.twice")
    parser.add_argument("--trials", type=int, default=5, help="of each kind")
    trials, draw, failed = parser.parse_args().trials, random.Random(0), 0
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"COCKPIT_HOME": str(Path(home) / "cockpit"), "CUDA_VISIBLE_DEVICES": ""}
        trained = cockpit("train", "demo", "--set", f"training.max_steps={STEPS}", "--set", "data.eval_rows=8")
        said = trained.communicate()[0]
        if trained.returncode:
            print(said)
            return 1
        (run,) = all_runs()
        print(f"{'':14}{'trials':>8}{'failures':>10}")
        for name, trial in TRIALS.items():
            faults = [fault for _ in range(trials) if (fault := trial(run, draw.choice((0.0, 0.1, 0.5))))]
            print(f"{name:14}{trials:>8}{len(faults):>10}", *faults, sep="\n  ", flush=True)
            failed += len(faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
