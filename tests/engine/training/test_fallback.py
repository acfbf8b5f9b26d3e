"""A fitted run that is out of memory, or does not work, goes on by itself as it was written: from its last checkpoint,
or anew."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cockpit.engine.engine import Engine
from cockpit.engine.fallback import fall_back
from cockpit.engine.journal import Journal
from cockpit.engine.worker import Worker
from cockpit.paths import runs_folder
from cockpit.preflight.tuned import lessons
from cockpit.protocol.commands import Train
from cockpit.protocol.events import LogWritten, OutOfMemory, RunEnded, TrainingResumed
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from cockpit.runs.state import RunState
from tests.engine import tiny
from tests.engine.conftest import HostedRun
from tests.engine.training import faults
from tests.engine.training.fitted_recipe import FITTED, SAID, WRITTEN
from tests.engine.training.resuming import figures as figures_of
from tests.engine.training.resuming import whole

Hosted = Callable[..., HostedRun]


def out_of_memory(
    model: Path, rows: Path, step: int, *, is_fitted: bool = True, fault: faults.Spoil = faults.too_much
) -> tuple[HostedRun, tuple[RunDir, int] | None]:
    """A run whose step is too much, as the engine of a process of its own leaves it."""
    run = RunDir.create(runs_folder() / "fitted")
    if is_fitted:
        run.written_recipe.write_text(tiny.recipe_text(model, rows, backend="transformers", **WRITTEN))
    recipe = tiny.recipe_text(model, rows, backend="transformers", **FITTED)
    with pytest.MonkeyPatch.context() as patch:
        faults.spoil_steps(patch, {range(step, step + 1): fault})
        hosted = HostedRun(run, recipe, {"fitted": SAID}, own_process=True)
        hosted.until(hosted.is_over)
        hosted.close()
    return hosted, hosted.engine.handed_on


def gone_on_with(hosted: HostedRun, handed_on: tuple[RunDir, int]) -> None:
    """By the engine that the process becomes."""
    run, lock = handed_on
    engine = Engine(run, "transformers", own_process=True, lock=lock)
    thread = threading.Thread(target=engine.run)
    thread.start()
    hosted.link = RunLink(run)
    hosted.events.clear()
    hosted.state = RunState()
    try:
        while hosted.state.ended is None:
            hosted.poll()
            assert thread.is_alive() or hosted.state.ended is not None
    finally:
        engine.terminate()
        thread.join(60)
        hosted.link.close()


@pytest.mark.parametrize(("step", "begins"), [(2, 0), (6, 4)], ids=["anew", "from a checkpoint"])
def test_it_goes_on_as_it_was_written(hosted: Hosted, model: Path, rows: Path, step: int, begins: int) -> None:
    run, handed_on = out_of_memory(model, rows, step)
    assert handed_on is not None and run.all(RunEnded) == []
    gone_on_with(run, handed_on)
    assert [(event.outcome, event.step) for event in run.all(RunEnded)] == [("completed", 12)]
    assert [event.step for event in run.all(TrainingResumed)] == [begins]
    (warning,) = [event.text for event in run.all(LogWritten) if event.level == "warning"]
    whence = f"after step {begins}" if begins else "from its beginning"
    assert warning.startswith("Memory of the GPU ran out: the batch in hand had 4 rows of ")
    assert warning.endswith(f" It was {SAID}; it goes on as written, {whence}.")
    assert RecipeDocument.load(run.run.recipe).value("training.per_device_train_batch_size") == 2
    assert not run.run.written_recipe.exists(), "it happens once"
    before = RecipeDocument.load(run.run.path / "recipe.attempt-1.yaml")
    assert before.value("training.per_device_train_batch_size") == 4
    written = whole(hosted, WRITTEN)
    assert list(run.state.steps.step) == list(range(1, 13))
    losses = [[float(figures["loss"]) for _, figures in figures_of(one)] for one in (run, written)]
    assert losses[0] == (losses[1] if not begins else pytest.approx(losses[1], rel=1e-4))


@pytest.mark.parametrize(("are_done", "falls"), [(False, True), (True, False)])
def test_ranks_that_have_left_do_not_go_on_as_written(are_done: bool, falls: bool) -> None:
    """Saving the result runs out of memory: the other ranks have ended, and nobody starts them again."""
    worker = SimpleNamespace(
        journal=SimpleNamespace(phase="saving"), controls=SimpleNamespace(stop=None), falls_back=False,
        is_falling_back=False, _falling=nullcontext(), _may_fall_back=True, _order=object(),
        _watch=SimpleNamespace(are_done=are_done), _make_ready_as_written=lambda _: True,
    )  # fmt: skip
    assert Worker.fall_back(worker, RunEnded(outcome="out_of_memory", step=3)) is falls  # type: ignore[arg-type]


def broken(_model: Any, _loss: Any) -> Any:
    raise RuntimeError("no kernel takes 4 rows")


def test_a_first_step_that_does_not_work_is_taken_as_written(model: Path, rows: Path) -> None:
    run, handed_on = out_of_memory(model, rows, 1, fault=broken)
    assert handed_on is not None
    gone_on_with(run, handed_on)
    assert [(event.outcome, event.step) for event in run.all(RunEnded)] == [("completed", 12)]
    (warning,) = [event.text for event in run.all(LogWritten) if event.level == "warning"]
    assert "no kernel takes 4 rows" in warning
    assert warning.endswith(f" It was {SAID}; it goes on as written, from its beginning.")


def test_a_later_step_that_does_not_work_ends_the_run(model: Path, rows: Path) -> None:
    run, handed_on = out_of_memory(model, rows, 2, fault=broken)
    assert handed_on is None
    assert [event.outcome for event in run.all(RunEnded)] == ["failed"]


def test_a_run_that_is_trained_as_written_ends(model: Path, rows: Path) -> None:
    run, handed_on = out_of_memory(model, rows, 2, is_fitted=False)
    assert handed_on is None
    assert [event.outcome for event in run.all(RunEnded)] == ["out_of_memory"]


def test_the_next_fit_on_such_a_gpu_knows_what_was_too_much(model: Path, rows: Path) -> None:
    run = RunDir.create(runs_folder() / "fitted")
    run.written_recipe.write_text(tiny.recipe_text(model, rows, backend="transformers", **WRITTEN))
    run.recipe.write_text(tiny.recipe_text(model, rows, backend="transformers", **FITTED))
    fitted, written = (RecipeDocument.load(path).recipe() for path in (run.recipe, run.written_recipe))
    memory = OutOfMemory(phase="training", total_bytes=16 << 30, others_bytes=2 << 30)
    ending = RunEnded(outcome="out_of_memory", step=2, reason="Memory of the GPU ran out.", memory=memory)
    assert fall_back(run, Train(id="1", run_id=run.id, command=[], fitted=SAID), Journal(run, 1), ending, "a card")
    known = lessons()
    assert known.is_too_much(fitted, "a card", 14 << 30)
    assert not known.is_too_much(fitted, "a card", 16 << 30), "there is more now"
    assert not known.is_too_much(written, "a card", 14 << 30)
    assert not known.is_too_much(fitted, "another card", 14 << 30)
    failed = RunEnded(outcome="failed", step=0, reason="No such kernel.")
    run.written_recipe.write_text(run.recipe.read_text())
    assert fall_back(run, Train(id="2", run_id=run.id, command=[], fitted=SAID), Journal(run, 2), failed, "a card")
    assert lessons().is_too_much(written, "a card", 139 << 30), "whatever memory there is"
