"""The engine killed by SIGKILL at five moments, one of them inside a checkpoint: the run goes on and loses nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
from tests.engine.warm_stack import WarmStack

PLAIN = EngineKey("transformers", "none")
STEPS = 40


@pytest.fixture(scope="module")
def home_folder(folder: Path, plain_stack: WarmStack) -> Iterator[Path]:
    with cockpit_home(folder / "killed"), plain_stack.starts_engines():
        yield folder


def inside_a_checkpoint(run: RunDir) -> bool:
    """Whether a part of a checkpoint stands aside at this moment."""
    return any((run.checkpoints / ".partial").glob("checkpoint-*/*"))


def kill_when(engine: StartedEngine, so: Callable[[], bool]) -> None:
    """Look often, as a checkpoint of a tiny model is written within milliseconds."""
    deadline = time.monotonic() + 120
    while not so():
        assert time.monotonic() < deadline and engine.process.poll() is None
        time.sleep(0.001)
    kill(engine)


def kill_at(moment: str, run: RunDir, started: StartedEngine, attempt: int) -> None:
    """Let the attempt begin to train, and kill its engine at this moment."""
    follower = Follower(RunLink(run), started.process)
    state = follower.state
    follower.until(lambda: state.plan is not None and state.plan.attempt == attempt)
    begun = state.step

    def has_come() -> bool:
        if moment == "checkpoint":
            return inside_a_checkpoint(run)
        follower.poll()
        if moment == "evaluation":
            return state.phase is not None and state.phase.phase == "evaluating"
        return state.step >= begun + (5 if moment == "step" else 1)

    kill_when(started, has_come)


@pytest.mark.timeout(600)
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
    run = started.train(recipe, "killed", [])
    killed_inside = 0
    for attempt, moment in enumerate(("step", "checkpoint", "next step", "evaluation", "checkpoint"), 1):
        kill_at(moment, run, started, attempt)
        killed_inside += inside_a_checkpoint(run)
        assert run.liveness() == "lost"
        assert RunSummary.of(run).state == "lost"
        assert [one.defect() for one in checkpoints(run.checkpoints)] == [""] * len(checkpoints(run.checkpoints))
        started = start_resuming_engine(run, PLAIN)
        started.resume(recipe, "killed", [])
    last = Follower(RunLink(run), started.process)
    last.until(lambda: last.state.ended is not None and last.state.ended.attempt == 6)
    kill(started)

    assert killed_inside >= 1
    assert [event.attempt for event in last.all(RunStarted)] == [1, 2, 3, 4, 5, 6]
    assert [event.attempt for event in last.all(TrainingResumed)] == [2, 3, 4, 5, 6]
    assert [(event.outcome, event.step) for event in last.all(RunEnded)] == [("completed", STEPS)]
    assert last.state.steps.step == list(range(1, STEPS + 1))
    assert last.state.steps.metrics["loss"] == whole.state.steps.metrics["loss"]
    assert last.state.steps.metrics["tokens_seen"] == whole.state.steps.metrics["tokens_seen"]
    assert len(last.all(StepEnded)) > STEPS
    assert [one.step for one in checkpoints(run.checkpoints)] == [40, 38, 36]
    assert not (run.checkpoints / ".partial").exists()
