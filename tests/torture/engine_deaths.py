"""The engine killed at random moments and inside the writing of checkpoints, and told to end in each phase; taken up by
the same command each time: what is offered loads, and losses and adapter are those of an undisturbed run

python -m tests.torture.engine_deaths [--kills N] [--terms N] [--seed N]

A tiny model, a checkpoint every 2 of 24 steps. Engines are real processes, forked from one that has imported the stack.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.protocol import events as ev
from cockpit.runs.checkpoint import checkpoints, newest_complete
from cockpit.runs.folder import RunDir, all_runs
from cockpit.runs.state import RunState
from tests.engine import tiny
from tests.engine.warm_stack import WarmStack
from tests.torture.table import Table
from tests.torture.twice import logged

STEPS = 24
SETTINGS: dict[str, Any] = {
    "training__max_steps": STEPS, "training__eval_steps": 4, "output__save_steps": 2, "lora__lora_dropout": 0.1,
    "output__save_total_limit": 3,
}  # fmt: skip
PHASES = ("loading_model", "preparing_data", "compiling", "training", "evaluating", "saving")
MOST_TRIES = 6


def command(recipe: Path) -> tuple[int, str]:
    """What a job script calls again and again: its status, and what it said."""
    done = CliRunner().invoke(cockpit, ["train", str(recipe), "--resume-or-start"])
    return done.exit_code, done.output


def state_of(run: RunDir) -> RunState:
    """All that its log tells."""
    state = RunState()
    state.take(logged(run))
    return state


def result_of(run: RunDir) -> tuple[object, ...]:
    """Losses step by step, and the adapter's digest."""
    state = state_of(run)
    weights = (run.adapter / "adapter_model.safetensors").read_bytes()
    return tuple(state.steps.step), tuple(state.steps.metrics["loss"]), hashlib.sha256(weights).hexdigest()


class AtMoment(threading.Thread):
    """Waits for the moment in the newest run, then does what it is there for. `hit` says what the engine was doing."""

    def __init__(self, known: set[Path], moment: Callable[[RunDir], str], act: Callable[[RunDir], None]) -> None:
        super().__init__(daemon=True)
        self._known, self._moment, self._act = known, moment, act
        self.over = False
        self.hit = ""
        self.run_dir: RunDir | None = None

    def run(self) -> None:
        """Until the moment comes, or it is over."""
        while not self.over:
            found = next((one for one in all_runs() if one.path not in self._known), None)
            if found is not None and (hit := self._moment(found)):
                self._act(found)
                self.hit, self.run_dir = hit, found
                return
            time.sleep(0.0005 if found is not None else 0.01)


def signalled(number: signal.Signals) -> Callable[[RunDir], None]:
    """Sends it to the run's engine."""

    def act(run: RunDir) -> None:
        identity = run.identity()
        if identity is not None:
            os.kill(identity.pid, number)

    return act


def inside_a_checkpoint(draw: random.Random) -> Callable[[RunDir], str]:
    """While some checkpoint is being written, a moment after its first file is there."""
    least, wait = draw.randrange(2, STEPS - 2), draw.uniform(0.0, 0.02)

    def moment(run: RunDir) -> str:
        for path in (run.checkpoints / ".partial").glob("checkpoint-*"):
            if int(path.name.rpartition("-")[2]) >= least and any(path.glob("*")):
                time.sleep(wait)
                return "inside a checkpoint" if path.exists() else "after a checkpoint"
        return ""

    return moment


def at_random(draw: random.Random) -> Callable[[RunDir], str]:
    """Some time after the engine has the run."""
    due: list[float] = []

    def moment(run: RunDir) -> str:
        if not due and any(isinstance(event, ev.RunStarted) for event in logged(run)):
            due.append(time.monotonic() + draw.uniform(0.0, 3.0))
        if not due or time.monotonic() < due[0] or (phase := state_of(run).phase) is None:
            return ""
        return "" if phase.phase == "ready" else f"at random: {phase.phase}"

    return moment


def in_phase(name: str) -> Callable[[RunDir], str]:
    """As soon as the log says that the phase has begun."""

    def moment(run: RunDir) -> str:
        phase = state_of(run).phase
        return name if phase is not None and phase.phase == name else ""

    return moment


def why_not_offered_well(run: RunDir) -> str:
    """Which checkpoint is offered and would not load, empty where none is."""
    newest, _ = newest_complete(run.checkpoints)
    offered = [one for one in checkpoints(run.checkpoints) if not one.defect()]
    damaged = [one.path.name for one in offered if one.damage()]
    if damaged:
        return f"offered and damaged: {', '.join(damaged)}"
    return "" if newest is None or newest in offered else "the newest one is not among those offered"


def trial(recipe: Path, moment: Callable[[RunDir], str], number: signal.Signals, expected: object) -> tuple[str, str]:
    """What the engine was doing, and what is wrong with what came of it."""
    known = {run.path for run in all_runs()}
    killer = AtMoment(known, moment, signalled(number))
    killer.start()
    status, said = command(recipe)
    killer.over = True
    killer.join()
    if killer.run_dir is None:
        return "not hit", "" if status == 0 else said
    if status == 0:
        return f"{killer.hit}, too late to matter", ""
    if wrong := why_not_offered_well(killer.run_dir):
        return killer.hit, wrong
    for _ in range(MOST_TRIES):
        status, said = command(recipe)
        if status == 0:
            break
    runs = [run for run in all_runs() if run.path not in known]
    if status != 0 or not runs:
        return killer.hit, said
    if len(runs) > 1 and newest_complete(killer.run_dir.checkpoints)[0] is not None:
        return killer.hit, "a new run was begun although there was a checkpoint"
    return killer.hit, "" if result_of(runs[0]) == expected else f"{runs[0].id} is not as an undisturbed run"


@contextmanager
def prepared() -> Iterator[Callable[[], Path]]:
    """Engines are forks; each call gives the recipe of a run in an empty COCKPIT_HOME."""
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        folder, numbers = Path(place), count(1)
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        patch.setenv("OMP_NUM_THREADS", "1")
        model = tiny.make_model(folder / "model")
        rows = tiny.write_rows(folder / "rows.jsonl", tiny.chat_rows(40))
        text = tiny.recipe_text(model, rows, backend="transformers", **SETTINGS)

        def one_more() -> Path:
            number = next(numbers)
            patch.setenv("COCKPIT_HOME", str(folder / f"home-{number}"))
            recipe = folder / f"recipe-{number}.yaml"
            recipe.write_text(text)
            return recipe

        with closing(WarmStack("transformers", folder)) as stack, stack.starts_engines():
            yield one_more


def main() -> int:
    """The tables, and what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.engine_deaths")
    parser.add_argument("--kills", type=int, default=20, help="half of them inside a checkpoint")
    parser.add_argument("--terms", type=int, default=2, help="in each phase")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw, faults = random.Random(given.seed), list[str]()
    with prepared() as one_more:
        status, said = command(one_more())
        if status:
            print(said)
            return 1
        expected = result_of(all_runs()[0])
        table = Table("signal", "while it was")
        for at in range(given.kills):
            moment = inside_a_checkpoint(draw) if at % 2 else at_random(draw)
            hit, wrong = trial(one_more(), moment, signal.SIGKILL, expected)
            table.add("SIGKILL", hit, not wrong)
            faults += [f"{hit}: {wrong}"] if wrong else []
        for phase in PHASES * given.terms:
            hit, wrong = trial(one_more(), in_phase(phase), signal.SIGTERM, expected)
            table.add("SIGTERM", hit, not wrong)
            faults += [f"{hit}: {wrong}"] if wrong else []
        table.show()
    print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
