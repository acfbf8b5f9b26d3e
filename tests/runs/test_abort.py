"""Ending an engine in the middle of whatever it does: the run has ended then, and can be taken up again."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import psutil
import pytest

from cockpit.launch.engines import EngineKey, StartedEngine
from cockpit.paths import runs_folder
from cockpit.protocol.events import EngineExited, RunEnded
from cockpit.runs.abort import abort_run
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from cockpit.runs.liveness import EngineIdentity

HOLDS_LOCK = "import sys, time; lock = open(sys.argv[1], 'a'); print(flush=True); time.sleep(600)"


@pytest.mark.parametrize(
    ("is_ours", "named"),
    [(False, "cockpit.engine"), (True, "cockpit.engine"), (False, "cockpit.engine.torchrun")],
)
def test_an_aborted_run_has_ended_and_holds_no_engine(is_ours: bool, named: str) -> None:
    run = RunDir.create(runs_folder() / "demo-1")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_LOCK, str(run.path / "engine.lock"), named], stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline()
    engine = EngineIdentity.of_this_process("unsloth")
    started = psutil.Process(process.pid).create_time()
    run.write_identity(msgspec.structs.replace(engine, pid=process.pid, started=started))
    assert run.liveness() == "alive"
    if is_ours:
        StartedEngine(EngineKey("unsloth", "none"), RunLink(run), process).abort(step=3)
    else:
        abort_run(run, step=3)
    process.wait(60)
    ended, exited = RunLink(run).poll()
    assert isinstance(ended, RunEnded) and (ended.outcome, ended.step) == ("stopped", 3)
    assert isinstance(exited, EngineExited)
    assert run.liveness() == "lost"  # and not alive as this very process: nobody could go on with the run


@pytest.mark.parametrize("arguments", [[], ["cockpit.engine"], ["{lock}"]])
def test_a_process_that_is_not_the_runs_engine_gets_no_signal(arguments: list[str]) -> None:
    """engine.json names it with its true start time: not an engine, another run's, or one that only has it open."""
    run = RunDir.create(runs_folder() / "demo-1")
    other = RunDir.create(runs_folder() / "demo-2")
    lock = str((run if arguments == ["{lock}"] else other).path / "engine.lock")
    process = subprocess.Popen([sys.executable, "-c", HOLDS_LOCK, lock, *arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline()
    engine = EngineIdentity.of_this_process("unsloth")
    started = psutil.Process(process.pid).create_time()
    run.write_identity(msgspec.structs.replace(engine, pid=process.pid, started=started))
    with pytest.raises(ValueError, match="is not the engine of this run"):
        abort_run(run, step=3)
    assert process.poll() is None
    assert not run.events.exists()
    process.kill()
    process.wait(60)
