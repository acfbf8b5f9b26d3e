"""The app killed, its terminal closed, its tmux server ended, each at a random moment of a run that it has started: the
run completes all the same, no event is missing or doubled, and its adapter is that of an undisturbed run

python -m tests.torture.terminals [--trials N] makes N trials of each way, on the CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cockpit.protocol import events as ev
from cockpit.protocol.commands import Unload
from cockpit.recipe.library import find_recipe
from cockpit.runs.folder import RunDir, all_runs
from cockpit.runs.link import new_command_id
from tests.terminal import Terminal
from tests.torture.kills import adapter_hash
from tests.torture.table import Table
from tests.torture.twice import logged

SETTINGS = ("training.max_steps=24", "data.eval_rows=8", "output.save_steps=6", "evaluation.suite=false",
            "training.eval_steps=12", "output.run_name=short")  # fmt: skip
APP = [sys.executable, "-m", "cockpit"]
WITHIN_S = 300.0
SERVER = f"cockpit-torture-{os.getpid()}"


class InTerminal:
    """The app on a pseudo-terminal of this process."""

    def __init__(self) -> None:
        self._terminal = Terminal(APP)
        self._terminal.wait_for("own recipe")

    def start(self) -> None:
        """Enter on the first recipe."""
        self._terminal.press("enter")

    def wait(self, seconds: float) -> None:
        """Take in what it draws."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._terminal.pump()

    def kill(self) -> None:
        """SIGKILL."""
        self._terminal.close()

    def close(self) -> None:
        """The terminal goes away, as with its window or its ssh."""
        self._terminal.hang_up()


class InTmux:
    """The app in a tmux server of its own."""

    def __init__(self) -> None:
        self._tmux("new-session", "-d", "-x", "120", "-y", "40", *APP)
        deadline = time.monotonic() + 60
        while "own recipe" not in self._tmux("capture-pane", "-p"):
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def _tmux(self, *words: str) -> str:
        return subprocess.run(["tmux", "-L", SERVER, *words], capture_output=True, text=True, check=False).stdout

    def start(self) -> None:
        """Enter on the first recipe."""
        self._tmux("send-keys", "Enter")

    def wait(self, seconds: float) -> None:
        """It draws into tmux."""
        time.sleep(seconds)

    def kill(self) -> None:
        """The server, and with it the terminal."""
        self._tmux("kill-server")


WAYS: dict[str, tuple[Callable[[], InTerminal | InTmux], str]] = {
    "SIGKILL": (InTerminal, "kill"),
    "terminal closed": (InTerminal, "close"),
    "tmux server ended": (InTmux, "kill"),
}


def newest(before: set[Path]) -> RunDir | None:
    """The run that was not there before."""
    return next((run for run in all_runs() if run.path not in before), None)


def is_complete(run: RunDir | None) -> bool:
    """Whether it has ended as planned."""
    return run is not None and any(isinstance(one, ev.RunEnded) and one.outcome == "completed" for one in logged(run))


def trial(way: str, after_s: float, undisturbed: str) -> tuple[str, str]:
    """The phase in which it was ended, and why the run is not as the undisturbed one, empty where it is."""
    make, end = WAYS[way]
    before = {run.path for run in all_runs()}
    app = make()
    app.wait(1.0)
    app.start()
    app.wait(after_s)
    at = newest(before)
    phases = [one.phase for one in logged(at) if isinstance(one, ev.PhaseStarted)] if at is not None else []
    getattr(app, end)()
    deadline = time.monotonic() + WITHIN_S
    while not is_complete(newest(before)):
        if time.monotonic() > deadline:
            return phases[-1] if phases else "import", f"{way} after {after_s:.1f} s: the run does not complete"
        time.sleep(0.2)
    run = newest(before)
    assert run is not None
    lines = run.events.read_bytes().splitlines()
    numbers = [json.loads(line)["seq"] for line in lines]
    wrong = "" if numbers == list(range(len(numbers))) else "an event is missing or doubled"
    if not wrong and adapter_hash(run) != undisturbed:
        wrong = "the adapter differs"
    run.send(Unload(id=new_command_id()))
    while run.liveness() == "alive" and time.monotonic() < deadline:
        time.sleep(0.1)
    return phases[-1] if phases else "import", f"{run.id}, {way} after {after_s:.1f} s: {wrong}" if wrong else ""


def main() -> int:
    """The table, and what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.terminals")
    parser.add_argument("--trials", type=int, default=20, help="of each way")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    draw, table, faults = random.Random(asked.seed), Table("ended by", "in"), []
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "COCKPIT_HOME": f"{home}/cockpit", "XDG_CONFIG_HOME": f"{home}/config", "CUDA_VISIBLE_DEVICES": "",
        }  # fmt: skip
        document = find_recipe("demo")
        for setting in SETTINGS:
            document.set_from_text(setting)
        document.set("about.title", "own recipe")
        recipes = Path(home, "config", "cockpit", "recipes")
        recipes.mkdir(parents=True)
        (recipes / "short.yaml").write_text(document.resolved_yaml())
        app = InTerminal()
        app.wait(1.0)
        began = time.monotonic()
        app.start()
        while not is_complete(newest(set())):
            app.wait(0.2)
            assert time.monotonic() - began < WITHIN_S
        whole_s = time.monotonic() - began
        undisturbed = newest(set())
        assert undisturbed is not None
        app.wait(3.0)
        app.kill()
        undisturbed.send(Unload(id=new_command_id()))
        digest = adapter_hash(undisturbed)
        print(f"undisturbed: {whole_s:.0f} s", flush=True)
        for number in range(asked.trials):
            for way in WAYS:
                phase, fault = trial(way, draw.uniform(0.0, whole_s + 3.0), digest)
                table.add(way, phase, not fault)
                faults += [fault] if fault else []
                print(f"{number + 1} {way}: {phase} {fault}", flush=True)
        table.show()
        print(*faults, sep="\n")
    return 1 if table.failures else 0


if __name__ == "__main__":
    sys.exit(main())
