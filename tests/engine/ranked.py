"""Ranks that train one run: forks of a process that has imported the stack, each as torchrun would start it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable

from cockpit.protocol.commands import Train
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink, new_command_id
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
    ) -> None:
        """`prepare` is done in each rank first. `launched`: the process that forks them is said to be what has started
        them, as torchrun is; what they are told to train is older than they are then."""
        self.run = run
        run.recipe.write_text(recipe, encoding="utf-8")
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


def _run_rank(folder: str, prepare: Callable[[], None] | None, launched: bool) -> int:
    from cockpit.engine.__main__ import main

    os.chdir(folder)
    if prepare is not None:
        prepare()
    sys.argv = ["python -m cockpit.engine", folder, "--backend", "transformers", "--ranked"]
    sys.argv += ["--launcher", str(os.getppid())] if launched else []
    return main()
