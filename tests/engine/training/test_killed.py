"""The engine killed by SIGKILL at five moments, two of them inside a checkpoint: the run goes on and loses nothing."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.cli.report import LineReport
from cockpit.cli.taking_up import follow_through
from cockpit.launch.engines import EngineKey, StartedEngine, start_engine, start_resuming_engine
from cockpit.paths import runs_folder
from cockpit.protocol.events import RunEnded, RunStarted, StepEnded, TrainingResumed
from cockpit.runs.checkpoint import checkpoints
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from cockpit.runs.summary import RunSummary
from tests.engine import tiny
from tests.engine.conftest import HostedRun, cockpit_home, kill
from tests.engine.follower import Follower
from tests.engine.training.held import HOLD, wait_where_told
from tests.engine.warm_stack import WarmStack

PLAIN = EngineKey("transformers", "none")
STEPS = 40
MOMENTS = ("step 5", "checkpoint-12", "step 11", "evaluation 18", "checkpoint-26")
"""Each comes after the checkpoint that the attempt before it has left."""


@pytest.fixture(scope="module")
def home_folder(folder: Path, plain_stack: WarmStack) -> Iterator[Path]:
    with cockpit_home(folder / "killed"), plain_stack.starts_engines(wait_where_told):
        yield folder


def kill_at(moment: str, run: RunDir, started: StartedEngine, attempt: int) -> None:
    """Kill the engine where it waits, at this moment of this attempt."""
    follower = Follower(RunLink(run), started.process)
    state = follower.state

    def has_come() -> bool:
        if state.plan is None or state.plan.attempt != attempt:
            return False
        if moment.startswith("checkpoint"):
            return any((run.checkpoints / ".partial" / moment).glob("*"))
        what, step = moment.split()
        return state.step == int(step) and (what == "step" or follower.phases()[-1] == "evaluating")

    follower.until(has_come)
    kill(started)


def test_killed_five_times(home_folder: Path, model: Path, rows: Path) -> None:
    recipe = tiny.recipe_text(
        model,
        rows,
        backend="transformers",
        lora__lora_dropout=0.1,
        training__max_steps=STEPS,
        training__eval_steps=3,
        output__save_steps=2,
        output__save_total_limit=3,
    )
    whole = HostedRun(RunDir.create(runs_folder() / "undisturbed"), recipe)
    whole.until_ended()
    whole.close()

    started = start_engine(PLAIN, "killed")
    run = started.link.run
    for attempt, moment in enumerate(MOMENTS, 1):
        (run.path / HOLD).write_text(moment)
        if attempt == 1:
            started.train(recipe, "killed", [])
        else:
            started = start_resuming_engine(run, PLAIN)
            started.resume(recipe, "killed", [])
        kill_at(moment, run, started, attempt)
        assert run.liveness() == "lost"
        assert RunSummary.of(run).state == "lost"
        assert [one.defect() for one in checkpoints(run.checkpoints)] == [""] * len(checkpoints(run.checkpoints))
    (run.path / HOLD).unlink()
    started = start_resuming_engine(run, PLAIN)
    started.resume(recipe, "killed", [])
    last = Follower(RunLink(run), started.process)
    last.until(lambda: last.state.ended is not None and last.state.ended.attempt == 6)
    kill(started)

    assert [event.attempt for event in last.all(RunStarted)] == [1, 2, 3, 4, 5, 6]
    assert [event.attempt for event in last.all(TrainingResumed)] == [2, 3, 4, 5, 6]
    assert [(event.outcome, event.step) for event in last.all(RunEnded)] == [("completed", STEPS)]
    assert last.state.steps.step == list(range(1, STEPS + 1))
    assert last.state.steps.metrics["loss"] == whole.state.steps.metrics["loss"]
    assert last.state.steps.metrics["tokens_seen"] == whole.state.steps.metrics["tokens_seen"]
    assert len(last.all(StepEnded)) > STEPS
    assert [one.step for one in checkpoints(run.checkpoints)] == [40, 38, 36]
    assert not (run.checkpoints / ".partial").exists()


@pytest.mark.parametrize(("moment", "resumed"), [("step 5", "goes on after step 4"), ("step 1", "from its beginning")])
def test_a_run_that_is_lost_goes_on_by_itself_where_its_recipe_says_so(
    home_folder: Path, model: Path, rows: Path, moment: str, resumed: str
) -> None:
    recipe = tiny.recipe_text(
        model, rows, backend="transformers", training__max_steps=8, output__save_steps=2, lifecycle__on_lost="resume"
    )
    started = start_engine(PLAIN, "lost")
    run, told = started.link.run, io.StringIO()
    (run.path / HOLD).write_text(moment)
    started.train(recipe, "lost", [])

    def end_it() -> None:
        kill_at(moment, run, started, attempt=1)
        (run.path / HOLD).unlink()

    killer = threading.Thread(target=end_it)
    killer.start()
    status, last = follow_through(started, LineReport(told))
    killer.join()
    kill(last)
    assert status == 0, told.getvalue()
    assert last is not started
    assert f"lifecycle.on_lost is resume: it {'goes on ' if moment == 'step 1' else ''}{resumed}" in told.getvalue()
    assert "The engine has gone without ending the run" in told.getvalue()
    assert RunSummary.of(run).state == "completed"
