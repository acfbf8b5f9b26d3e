"""Several ranks as real processes through torchrun: they train as one does, and kills of any leave nothing behind

python -m tests.torture.ranks [--kills N] [--backends transformers unsloth]

First 1, 2 and 4 ranks with as many rows a step, and 4, then 2, then 1 with stops between them: the largest difference
of their losses and weights. Then a run of 2 ranks of which one, or the launcher, is killed at random moments, and which
is resumed each time: what is left after 30 s, how it is explained, whether the losses are those of one rank at last.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from cockpit.protocol import events as ev
from cockpit.protocol.commands import Stop
from cockpit.runs.crash import Crash
from cockpit.runs.folder import RunDir, all_runs
from cockpit.runs.link import new_command_id
from cockpit.runs.state import RunState
from cockpit.runs.summary import RunSummary
from tests.engine import tiny
from tests.torture.twice import cockpit, logged

STEPS = 24
GONE_WITHIN_S = 30.0
STEP_WITHIN_S = 180.0


def recipe(folder: Path, backend: str, ranks: int, steps: int = STEPS, **changes: object) -> str:
    """The path of a recipe whose steps have 8 rows, however many ranks share them."""
    text = tiny.recipe_text(
        folder / "model",
        folder / "rows.jsonl",
        backend=backend,
        hardware__devices=ranks,
        training__gradient_accumulation_steps=4 // ranks,
        training__max_steps=steps,
        training__eval_steps=5,
        training__lr_scheduler_type="constant",
        training__learning_rate=0.001,
        data__eval_rows=5,
        output__save_steps=10,
        **changes,
    )
    path = folder / f"{backend}-{ranks}-{steps}.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def trained(*arguments: str) -> RunDir:
    """The run of a command that trains to its end. Raises AssertionError with what it said."""
    process = cockpit(*arguments)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    return all_runs()[0]


def started(*arguments: str) -> tuple[subprocess.Popen[str], RunDir]:
    """A command that begins a run, and the run."""
    known = {run.path for run in all_runs()}
    process = cockpit(*arguments)
    while not (found := [run for run in all_runs() if run.path not in known]):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    return process, found[0]


def losses(run: RunDir) -> dict[int, float]:
    """Of each step, and of each evaluation under minus its step, as they count in the end."""
    found: dict[int, float] = {}
    for event in logged(run):
        if isinstance(event, ev.StepEnded):
            found[event.step] = event.figures["loss"]
        elif isinstance(event, ev.Evaluated) and event.step:
            found[-event.step] = event.figures["eval_loss"]
        elif isinstance(event, ev.TrainingResumed):  # what came after that is done anew
            found = {step: loss for step, loss in found.items() if abs(step) <= event.step}
    return found


def difference(one: dict[int, float], other: dict[int, float]) -> float:
    """The largest; infinite where a step is missing."""
    if one.keys() != other.keys():
        return float("inf")
    return max(abs(one[step] - other[step]) for step in one)


def weights_difference(one: RunDir, other: RunDir) -> float:
    """The largest of their adapters."""
    from safetensors.numpy import load_file

    first, second = (load_file(run.adapter / "adapter_model.safetensors") for run in (one, other))
    return max(float(abs(first[name] - second[name]).max()) for name in first)


def until_step(run: RunDir, step: int) -> None:
    """Wait until the newest attempt has done the step."""
    deadline = time.monotonic() + STEP_WITHIN_S
    while RunSummary.of(run).step < step:
        assert time.monotonic() < deadline, (run.path / "engine.log").read_text(errors="replace")[-3000:]
        time.sleep(0.05)


def left_after(run: RunDir, seconds: float) -> list[int]:
    """The processes of the run that are still there then."""
    deadline = time.monotonic() + seconds
    while True:
        left = [
            one.pid
            for one in psutil.process_iter()
            if _is_of(one, run)
        ]  # fmt: skip
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def _is_of(process: psutil.Process, run: RunDir) -> bool:
    try:
        line = process.cmdline()
        return str(run.path) in line and any("cockpit.engine" in part for part in line)
    except psutil.Error:
        return False


def as_one(folder: Path, backend: str) -> list[str]:
    """What is not as with one rank."""
    one = trained("train", recipe(folder, backend, 1))
    faults = []
    for ranks in (2, 4):
        run = trained("train", recipe(folder, backend, ranks))
        off, weights = difference(losses(one), losses(run)), weights_difference(one, run)
        print(
            f"{backend}, {ranks} ranks: losses of {STEPS} steps off by {off:.1e}, weights by {weights:.1e}", flush=True
        )
        faults += [] if off <= 1e-5 and weights <= 1e-4 else [f"{backend}, {ranks} ranks: {off}, {weights}"]
    process, run = started("train", recipe(folder, backend, 4))
    until_step(run, 5)
    run.send(Stop(id=new_command_id()))
    process.communicate()
    first = RunSummary.of(run).step
    process = cockpit("resume", run.id, "--gpus", "2")
    until_step(run, min(first + 4, STEPS - 1))
    run.send(Stop(id=new_command_id()))
    process.communicate()
    second = RunSummary.of(run).step
    if second < STEPS:
        process = cockpit("resume", run.id, "--gpus", "1")
        said = process.communicate()[0]
        assert process.returncode == 0, said
    off, weights = difference(losses(one), losses(run)), weights_difference(one, run)
    print(
        f"{backend}, 4 ranks to step {first}, 2 to {second}, then 1: off by {off:.1e}, weights by {weights:.1e}",
        flush=True,
    )
    return faults + ([] if off <= 1e-5 and weights <= 1e-4 else [f"{backend}, 4, 2, 1 ranks: {off}, {weights}"])


def kills(folder: Path, backend: str, count: int, draw: random.Random) -> list[str]:
    """What went wrong of so many kills of ranks and launchers of one run."""
    process, run = started("train", recipe(folder, backend, 2, 100_000))
    faults, explained = list[str](), dict[str, int]()
    for trial in range(count):
        until_step(run, RunSummary.of(run).step + 1)
        time.sleep(draw.uniform(0, 2.5))
        identity = run.identity()
        assert identity is not None and len(identity.ranks) == 2
        victim = draw.choice(("rank 0", "rank 1", "rank 1", "launcher"))
        pid = identity.pid if victim == "launcher" else identity.ranks[int(victim[-1])]
        os.kill(pid, signal.SIGKILL)
        since = time.monotonic()
        left = left_after(run, GONE_WITHIN_S)
        took = time.monotonic() - since
        process.communicate()
        state = RunState()
        for event in logged(run):
            state.apply(event)
        summary, crash = RunSummary.of(run), Crash.of(run, state)
        why = crash.why or (state.ended.reason if state.ended is not None else "")
        explained[f"{victim}: {summary.state}"] = explained.get(f"{victim}: {summary.state}", 0) + 1
        wanted = ("failed", 1) if victim == "rank 1" else ("lost", None)
        rank = state.ended.rank if state.ended is not None and summary.state == "failed" else None
        print(f"{trial + 1}: {victim} after step {summary.step}, gone after {took:.1f} s: {why}", flush=True)
        is_named = victim == "launcher" or f"process {pid}" in why
        if left or not why or not is_named or (summary.state, rank) != wanted:
            faults.append(f"{trial + 1}: {victim}: {summary.state}, {why!r}, left {left}")
        if crash.checkpoint is None and summary.step > 10:
            faults.append(f"{trial + 1}: no checkpoint is left")
        if crash.checkpoint is not None:
            process = cockpit("resume", run.id)
            until_attempt(run, state.attempt + 1)
        else:
            process, run = started("train", recipe(folder, backend, 2, 100_000))
    stopped = RunSummary.of(run).step + 2
    until_step(run, stopped)
    run.send(Stop(id=new_command_id()))
    process.communicate()
    steps = RunSummary.of(run).step
    one = trained("train", recipe(folder, backend, 1, steps))
    of_one, of_two = ({step: loss for step, loss in losses(each).items() if step > 0} for each in (one, run))
    off = difference(of_one, of_two)
    print(f"{count} kills {explained}; {steps} steps, losses off those of one rank by {off:.1e}", flush=True)
    return faults + ([] if off < 1e-3 else [f"losses differ by {off}"])


def until_attempt(run: RunDir, attempt: int) -> None:
    """Wait until it has done a step."""
    deadline = time.monotonic() + STEP_WITHIN_S
    while not any(isinstance(event, ev.StepEnded) and event.attempt == attempt for event in logged(run)):
        assert time.monotonic() < deadline, (run.path / "engine.log").read_text(errors="replace")[-3000:]
        time.sleep(0.2)


def main() -> int:
    """The figures, and what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.ranks")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--backends", nargs="*", default=["transformers", "unsloth"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        # Threads of several processes that wait for each other's cores would take seconds a step.
        alone = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        os.environ |= {"COCKPIT_HOME": str(folder / "cockpit"), **alone}
        tiny.make_model(folder / "model")
        tiny.write_rows(folder / "rows.jsonl", tiny.chat_rows(45))
        faults = [fault for backend in options.backends for fault in as_one(folder, backend)]
        if options.kills:
            faults += kills(folder, "transformers", options.kills, draw)
    print(f"{len(faults)} failures", *faults, sep="\n  ")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
