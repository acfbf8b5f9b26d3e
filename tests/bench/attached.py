"""Step time with the app attached against none: one run of the engine, in windows of N steps that take turns.

usage: python -m tests.bench.attached [NAME] [--window N] [--pairs P] [--backend B] [--rows R] [--length L]
       [--folder DIR] [--out FILE]
NAME is one of tests.bench.random_models (qwen3-0.6b); its weights are zero. The app is the real one, `cockpit attach`,
on a pseudo-terminal of 120x40 whose every byte is read. A window begins a few steps after the app shows the newest
step, or has gone. The last line is RESULT, with the ratio of the medians and of each pair; status 1 where that of the
medians is above 1.005.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from cockpit.launch.engines import EngineKey, StartedEngine, start_engine
from cockpit.machine.gpu import GpuProbe
from cockpit.protocol.commands import Stop
from cockpit.protocol.events import RunEnded, StepEnded
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.link import new_command_id
from cockpit.text.numbers import count
from tests.bench.memory import write_rows
from tests.bench.plain_run import RECIPE
from tests.terminal import Terminal

MOST = 1.005
SETTLING_STEPS = 5
WARM_UP_STEPS = 20
PATIENCE_S = 180.0


class Run:
    """The engine, and when each of its steps ended."""

    def __init__(self, engine: StartedEngine, run_id: str) -> None:
        self.engine, self.run_id = engine, run_id
        self.ended_at: list[float] = []
        self._began = time.monotonic()

    def read(self) -> None:
        """Take in what the engine has said. Raises RuntimeError once the run has ended."""
        for event in self.engine.link.poll():
            if isinstance(event, StepEnded):
                self.ended_at.append(event.at)
            elif isinstance(event, RunEnded):
                raise RuntimeError(f"the run has ended: {event.outcome} {event.reason}")
        if not self.ended_at and time.monotonic() - self._began > PATIENCE_S:
            raise RuntimeError(f"no step after {PATIENCE_S:.0f} s; see {self.engine.link.run.engine_log}")

    def steps_more(self, steps: int, app: Terminal | None) -> None:
        """Wait for so many more steps; the app's terminal is read meanwhile."""
        until = len(self.ended_at) + steps
        while len(self.ended_at) < until:
            if app is not None:
                assert app.pump(0.02), app.text
            else:
                time.sleep(0.02)
            self.read()

    def window(self, steps: int, app: Terminal | None) -> list[float]:
        """Seconds of each of so many steps, from the end of the one before."""
        first = len(self.ended_at)
        self.steps_more(steps, app)
        return [now - before for before, now in zip(self.ended_at[first - 1 :], self.ended_at[first:], strict=False)]


def attached(run: Run, steps: int) -> list[float]:
    """A window with the app on the run."""
    with Terminal([sys.executable, "-m", "cockpit", "attach", run.run_id]) as app:
        deadline = time.monotonic() + PATIENCE_S
        while not any(f"{count(step)}/" in app.text for step in range(len(run.ended_at) - 2, len(run.ended_at) + 1)):
            app.pump(0.02)
            run.read()
            assert time.monotonic() < deadline, app.text
        run.steps_more(SETTLING_STEPS, app)
        return run.window(steps, app)


def alone(run: Run, steps: int) -> list[float]:
    """A window in which nobody looks."""
    run.steps_more(SETTLING_STEPS, None)
    return run.window(steps, None)


def start(asked: argparse.Namespace) -> Run:
    """Start the run; it takes more steps than will be asked for."""
    folder = asked.folder.resolve()
    os.environ["COCKPIT_HOME"] = str(folder / "home")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    (folder / "models").mkdir(parents=True, exist_ok=True)
    models = [sys.executable, "-m", "tests.bench.hollow_models", str(folder / "models"), asked.name]
    subprocess.run(models, check=True, stdout=subprocess.DEVNULL)
    rows = folder / "rows.jsonl"
    write_rows(rows, asked.length)
    text = RECIPE.format(
        title="attached", backend=asked.backend, model=folder / "models" / asked.name, length=asked.length, rows=rows,
        batch=asked.rows, steps=100_000,
    )  # fmt: skip
    document = RecipeDocument.parse(text, "attached.yaml")
    engine = start_engine(EngineKey.of(document.recipe(), GpuProbe().wait()), "attached")
    run = engine.train(document.resolved_yaml(), "attached", [])
    return Run(engine, run.id)


def main() -> int:
    """Measure, print, and write the seconds of each window as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="qwen3-0.6b")
    parser.add_argument("--window", type=int, default=60, help="steps")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--backend", default="transformers")
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--folder", type=Path, default=Path("attached_bench"))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    run = start(asked)
    windows: dict[str, list[list[float]]] = {"attached": [], "alone": []}
    try:
        run.steps_more(WARM_UP_STEPS, None)
        for pair in range(asked.pairs):
            for way in (alone, attached) if pair % 2 == 0 else (attached, alone):
                seconds = way(run, asked.window)
                windows[way.__name__].append(seconds)
                print(f"{way.__name__}: {1000 * statistics.median(seconds):.2f} ms a step", flush=True)
                if asked.out:
                    asked.out.write_text(json.dumps(windows))
    finally:
        run.engine.link.send(Stop(id=new_command_id(), save=False))
        run.engine.process.terminate()
        try:
            run.engine.process.wait(30)
        except subprocess.TimeoutExpired:
            run.engine.process.kill()
    medians = {name: [statistics.median(one) for one in found] for name, found in windows.items()}
    ratio, pairs = (
        statistics.median([step for one in windows["attached"] for step in one])
        / statistics.median([step for one in windows["alone"] for step in one]),
        [with_app / without for with_app, without in zip(medians["attached"], medians["alone"], strict=True)],
    )
    told = ", ".join(f"{one:.4f}" for one in pairs)
    print(f"RESULT attached over alone: {ratio:.4f} (pairs: {told}); at most {MOST}: {ratio <= MOST}")
    return 0 if ratio <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
