"""A fitted run whose GPU is too small, in a real process: it becomes a new engine, which trains as written

python -m tests.torture.falls_back; takes three minutes. The first engine is made to run out of memory at step 6; the
process that it becomes knows nothing of that. Then two ranks, of which the first runs out of memory, then the second:
their launcher starts both anew. Prints how each ended, and how far its losses are off those of an undisturbed run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cockpit.launch import engines
from cockpit.launch.engines import EngineKey
from cockpit.paths import runs_folder
from cockpit.protocol.commands import Train
from cockpit.protocol.events import RunEnded
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink, new_command_id
from tests.engine import tiny
from tests.engine.follower import Follower
from tests.engine.training.fitted_recipe import FITTED, SAID, WRITTEN

SPOILED = """
import pytest, sys
from cockpit.engine.__main__ import main
from tests.engine.training import faults
with pytest.MonkeyPatch.context() as patch:
    if {spoils}:
        faults.spoil_steps(patch, {{range(6, 7): faults.too_much}})
    main()
"""


RANK = """
import os, pathlib, pytest
from cockpit.engine.__main__ import main
from tests.engine.training import faults
with pytest.MonkeyPatch.context() as patch:
    if os.environ["RANK"] == os.environ["SPOILS"] and not pathlib.Path("spoilt").exists():
        pathlib.Path("spoilt").touch()
        faults.spoil_steps(patch, {range(6, 7): faults.too_much})
    status = main()
os._exit(status)
"""
LAUNCHER = """
import sys
from cockpit.engine import torchrun
torchrun.python_command = lambda module, *options: [sys.executable, "-c", RANK, *options]
sys.exit(torchrun.main())
"""


def trained_by_two(patch: pytest.MonkeyPatch, name: str, recipe: str, written: str, spoils: str) -> Follower:
    """The run of two ranks and their launcher, to its end; that of the number `spoils` is spoilt."""
    patch.setenv("SPOILS", spoils)
    launcher = LAUNCHER.replace("RANK,", f"{RANK!r},")
    patch.setattr(engines, "python_command", lambda module, *options: [sys.executable, "-c", launcher, *options])
    engine = engines.start_engine(EngineKey("transformers", "none", ranks=2), name)
    engine.train(recipe, name, [], written=written or None, fitted=SAID if written else "")
    follower = Follower(engine.link, engine.process)
    follower.until(lambda: follower.state.ended is not None)
    engine.process.terminate()
    engine.process.wait(60)
    return follower


def trained(name: str, recipe: str, written: str, *, spoils: bool) -> Follower:
    """The run of one engine process, to its end."""
    run = RunDir.create(runs_folder() / name)
    run.recipe.write_text(recipe)
    if written:
        run.written_recipe.write_text(written)
    command = [sys.executable, "-c", SPOILED.format(spoils=spoils), str(run.path), "--backend", "transformers"]
    with (run.path / "engine.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    run.send(Train(id=new_command_id(), run_id=name, command=[], fitted=SAID if written else ""))
    follower = Follower(RunLink(run), process)
    follower.until(lambda: follower.state.ended is not None)
    assert follower.state.engine is not None and follower.state.engine.pid == process.pid, "the same process"
    process.terminate()
    process.wait(60)
    return follower


def main() -> int:
    """0 where the run that fell back has ended as the undisturbed one."""
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCKPIT_HOME", home)
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        model = tiny.make_model(Path(home) / "model")
        rows = tiny.write_rows(Path(home) / "rows.jsonl", tiny.chat_rows(40))
        as_written = tiny.recipe_text(model, rows, backend="transformers", **WRITTEN)
        fitted = tiny.recipe_text(model, rows, backend="transformers", **FITTED)
        both = {"hardware__devices": 2}
        two_as_written = tiny.recipe_text(model, rows, backend="transformers", **WRITTEN, **both)
        two_fitted = tiny.recipe_text(model, rows, backend="transformers", **FITTED, **both)
        patch.setenv("OMP_NUM_THREADS", "1")
        two = trained_by_two(patch, "two", two_as_written, "", "none")
        faults = [
            compared(f"rank {rank}", two, trained_by_two(patch, f"two-{rank}", two_fitted, two_as_written, str(rank)))
            for rank in (0, 1)
        ]
        undisturbed = trained("undisturbed", as_written, "", spoils=False)
        fallen = trained("fallen", fitted, as_written, spoils=True)
        return int(any([*faults, compared("one process", undisturbed, fallen)]))


def compared(who: str, undisturbed: Follower, fallen: Follower) -> bool:
    """Whether the run that fell back has not ended as the undisturbed one; says how."""
    ends = [(event.attempt, event.outcome, event.step) for event in fallen.all(RunEnded)]
    losses = [list(one.state.steps.metrics["loss"]) for one in (undisturbed, fallen)]
    off = max(abs(a - b) / abs(a) for a, b in zip(*losses, strict=True) if a is not None and b is not None)
    print(f"{who}: attempts and ends: {ends}; steps {len(losses[1])}; losses are off by {off:.1e} at most", flush=True)
    return ends != [(2, "completed", 12)] or off >= 1e-4


if __name__ == "__main__":
    sys.exit(main())
