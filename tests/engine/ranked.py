"""Ranks that train one run: forks of a process that has imported the stack, each as torchrun would start it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from cockpit.paths import runs_folder
from cockpit.protocol.commands import Train, Unload
from cockpit.protocol.events import StepEnded
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink, new_command_id
from cockpit.runs.ranks import forget_ranks
from tests.engine import tiny
from tests.engine.follower import Follower
from tests.engine.warm_stack import ForkedProcess, WarmStack


class RankedRun(Follower):
    """A run of several ranks of `backend: transformers` on the CPU, which has been told to train."""

    def __init__(
        self,
        stack: WarmStack,
        run: RunDir,
        recipe: str,
        ranks: int,
        *,
        resume: bool = False,
        prepare: Callable[[], None] | None = None,
        launched: bool = False,
        machines: bool = False,
    ) -> None:
        """`prepare` is done in each rank first. `launched`: the process that forks them is said to be what has started
        them, as torchrun is; what they are told to train is older than they are then. `machines`: each
        rank is on a machine of its own."""
        self.run = run
        run.recipe.write_text(recipe, encoding="utf-8")
        forget_ranks(run)  # as what starts them does
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        common = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
        order = Train(id=new_command_id(), run_id=run.id, command=["test"], resume=resume)
        if launched:
            run.send(order)
        self.processes: list[ForkedProcess] = []
        for rank in range(ranks):
            named = {**common, "RANK": str(rank), "LOCAL_RANK": str(rank), "CUDA_VISIBLE_DEVICES": ""}
            if machines:
                named |= {
                    "LOCAL_RANK": "0",
                    "GROUP_RANK": str(rank),
                    "LOCAL_WORLD_SIZE": "1",
                    "GLOO_SOCKET_IFNAME": "lo",
                }
            process, self.log = stack.fork(_run_rank, str(run.path), prepare, launched, **named)
            self.processes.append(process)
        super().__init__(RunLink(run), self.processes[0])
        if not launched:
            run.send(order)

    def wait(self) -> list[int]:
        """The exit status of each rank, once all have ended."""
        return [process.wait(60) for process in self.processes]

    def close(self) -> None:
        """End what is left of it."""
        for process in self.processes:
            process.kill()
            process.wait(60)
        self.link.close()


STEPS = 8
"""Of the runs below; each has four rows, however many ranks share them."""
CHANGES: dict[str, Any] = {
    "training__max_steps": STEPS,
    "training__group_by_length": True,
    "training__eval_steps": 3,
    "data__eval_rows": 5,
    "samples__prompts": ["what is the name"],
    "samples__max_new_tokens": 4,
}


@contextmanager
def ranked(stack: WarmStack, recipe: str, ranks: int = 2, **options: Any) -> Iterator[RankedRun]:
    """A run of so many ranks, of which nothing is left afterwards."""
    run = options.pop("run", None) or RunDir.create(runs_folder() / f"of-{ranks}")
    started = RankedRun(stack, run, recipe, ranks, **options)
    try:
        yield started
    finally:
        started.close()


def text_for(model: Path, rows: Path, ranks: int, **changes: Any) -> str:
    """The recipe of a run of so many ranks, with changes (__ for the dot)."""
    shared = {"hardware__devices": ranks, "training__gradient_accumulation_steps": 4 // ranks}
    return tiny.recipe_text(model, rows, backend="transformers", **{**CHANGES, **shared, **changes})


def let_go(run: RankedRun) -> list[int]:
    """Have it unload its model, and give the exit status of each rank."""
    run.link.send(Unload(id=new_command_id()))
    return run.wait()


def alone(stack: WarmStack, recipe: str, *, steps: int = STEPS, **options: Any) -> RankedRun:
    """The run of one rank that is the only one, once it has ended after so many steps."""
    with ranked(stack, recipe, 1, **options) as run:
        run.until(lambda: run.state.step == steps and run.state.ended is not None)
        assert let_go(run) == [0]
    return run


def figures(run: Follower) -> list[dict[str, float]]:
    """Of each step as it counts in the end."""
    steps = {event.step: event.figures for event in run.all(StepEnded)}
    return [steps[step] for step in sorted(steps)]


def is_near(found: list[dict[str, float]], wanted: list[dict[str, float]]) -> bool:
    """Whether the figures of all steps are the same to single precision's rounding."""
    return len(found) == len(wanted) and all(
        one == pytest.approx(other, abs=1e-5, rel=1e-5) for one, other in zip(found, wanted, strict=True)
    )


def weights_difference(one: RunDir, other: RunDir) -> float:
    """The largest of their adapters, which have the same layers."""
    first, second = (load_file(run.adapter / "adapter_model.safetensors") for run in (one, other))
    assert first.keys() == second.keys()
    return max(float(abs(first[name] - second[name]).max()) for name in first)


def _run_rank(folder: str, prepare: Callable[[], None] | None, launched: bool) -> int:
    from cockpit.engine.__main__ import main

    os.chdir(folder)
    if prepare is not None:
        prepare()
    sys.argv = ["python -m cockpit.engine", folder, "--backend", "transformers", "--ranked"]
    sys.argv += ["--launcher", str(os.getppid())] if launched else []
    return main()
