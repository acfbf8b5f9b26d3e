"""Evaluations, the best checkpoint and patience, across an interruption: as in a run that was not interrupted."""

from __future__ import annotations

import errno
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import TrainerState

from cockpit import disk
from cockpit.engine.controls import Controls
from cockpit.engine.training.best_weights import BestWeights, recall_best
from cockpit.engine.training.between_steps import BetweenSteps
from cockpit.engine.training.callback import EventCallback
from cockpit.engine.training.step_metrics import StepMetrics
from cockpit.engine.training.trainer import run_trainer
from cockpit.engine.worker import Worker
from cockpit.protocol.events import LogWritten, RunEnded
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.training import Training
from cockpit.runs.checkpoint import checkpoints
from cockpit.runs.folder import RunDir
from cockpit.runs.resumable import ResumePoint
from tests.engine.conftest import HostedRun
from tests.engine.training.measured import REAL, best_after, measure
from tests.engine.training.resuming import stopping_after
from tests.runs.complete_checkpoint import write_checkpoint

Hosted = Callable[..., HostedRun]
BEST: dict[str, Any] = {
    "training__max_steps": 60,
    "training__eval_steps": 2,
    "training__load_best_model_at_end": True,
    "output__save_steps": 2,
    "output__save_total_limit": 1,
}
PATIENT = {**BEST, "training__early_stopping_patience": 3}


def until_end(run: HostedRun, attempt: int) -> RunEnded:
    run.until(lambda: run.state.ended is not None and run.state.ended.attempt == attempt)
    run.close()
    run.until_exited()
    assert run.state.ended is not None
    return run.state.ended


def lines(run: HostedRun, level: str) -> list[str]:
    return [event.text for event in run.all(LogWritten) if event.level == level]


def test_stops_change_neither_what_is_measured_nor_the_best(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after a step where an evaluation was due, after one where none was, and within an evaluation."""
    measure(monkeypatch, best_after(8))
    undisturbed = hosted(**PATIENT)
    reason = until_end(undisturbed, 1).reason
    assert "got no better in 3 evaluations" in reason

    within = {10}
    evaluation_begins = EventCallback.evaluation_begins

    def stopped_within(callback: EventCallback) -> None:
        evaluation_begins(callback)
        if callback.step in within:
            within.remove(callback.step)
            callback.controls.ask_stop(save=True)

    monkeypatch.setattr(Worker, "step_done", stopping_after(2, 5, 8))
    monkeypatch.setattr(EventCallback, "evaluation_begins", stopped_within)
    run = hosted(**PATIENT)
    for attempt, step in enumerate((2, 5, 8, 10), 1):
        ended = until_end(run, attempt)
        assert (ended.outcome, ended.step) == ("stopped", step)
        run = hosted(resumed=run.run, **PATIENT)
    assert until_end(run, 5).reason == reason
    assert run.state.steps.metrics["loss"] == undisturbed.state.steps.metrics["loss"]
    measured = [[(one.step, one.metrics) for one in each.state.evaluations] for each in (run, undisturbed)]
    assert measured[0] == measured[1]
    assert [step for step, metrics in measured[0] if REAL in metrics] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert run.state.adapter is not None and undisturbed.state.adapter is not None
    assert run.state.adapter.step == undisturbed.state.adapter.step
    saved = [(one.run.adapter / "adapter_model.safetensors").read_bytes() for one in (run, undisturbed)]
    assert saved[0] == saved[1]
    kept = [[one.step for one in checkpoints(each.run.checkpoints)] for each in (run, undisturbed)]
    assert kept[0] == kept[1]


def test_patience_that_is_added_on_the_way_lets_checkpoints_be_saved(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(monkeypatch, best_after(6))
    run = hosted(**{**BEST, "training__max_steps": 4})
    assert until_end(run, 1).outcome == "completed"
    again = hosted(resumed=run.run, **PATIENT)
    assert "got no better in 3 evaluations" in until_end(again, 2).reason
    assert lines(again, "warning") == []
    assert checkpoints(again.run.checkpoints)[0].step == again.state.step == 12


def test_a_best_checkpoint_that_could_not_be_saved_is_not_the_result(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one is the best, and the disk is full by then."""
    flush = disk.flush

    def full(folder: Path) -> None:
        if folder.name == "checkpoint-6":
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))
        flush(folder)

    monkeypatch.setattr(disk, "flush", full)
    measure(monkeypatch, best_after(6))
    run = hosted(**{**BEST, "training__max_steps": 6})
    assert until_end(run, 1).outcome == "completed"
    assert not any("saved as the result" in line for line in lines(run, "info"))
    assert lines(run, "warning")[-1].endswith(
        "after step 6, and there is no complete checkpoint of it: the last weights are saved."
    )
    assert run.state.adapter is not None and run.state.adapter.step == 6


def test_a_best_of_before_is_known_and_told_once_it_is_damaged(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt does not ask for the best; the second takes it of that one."""
    measure(monkeypatch, best_after(4))
    changes = {**BEST, "training__max_steps": 4}
    run = hosted(**{**changes, "output__save_total_limit": 9, "training__load_best_model_at_end": False})
    until_end(run, 1)
    assert [one.step for one in checkpoints(run.run.checkpoints)] == [4, 2]
    best = run.run.checkpoints / "checkpoint-4"
    again = hosted(resumed=run.run, **{**changes, "training__max_steps": 6})
    until_end(again, 2)
    assert again.state.adapter is not None and again.state.adapter.step == 4
    assert [one.step for one in checkpoints(again.run.checkpoints)] == [6, 4]
    assert lines(again, "warning") == []
    assert lines(again, "info")[-1] == "The best checkpoint is kept and saved as the result: eval_loss 1 after step 4."

    (best / "adapter_model.safetensors").write_bytes(b"truncated")
    last = hosted(resumed=run.run, **{**changes, "training__max_steps": 8})
    until_end(last, 3)
    assert "after step 4, and there is no complete checkpoint of it: the" in lines(last, "warning")[-1]
    assert last.state.adapter is not None and last.state.adapter.step == 6


@pytest.mark.parametrize(("metric", "more", "best"), [("eval_loss", False, (1.0, 4)), ("eval_share", True, (0.9, 2))])
def test_what_was_measured_before_is_compared_by_the_metric_of_now(
    metric: str, more: bool, best: tuple[float, int]
) -> None:
    measured = {0: (0.5, 1.0), 2: (3.0, 0.9), 4: (1.0, 0.2), 6: (1.0, math.nan)}
    history = [{"step": step, "eval_loss": loss, "eval_share": share} for step, (loss, share) in measured.items()]
    state = TrainerState(log_history=[*history, {"step": 7, "loss": 0.1}], best_metric=1.0, best_global_step=4)
    recall_best(SimpleNamespace(metric_for_best_model=metric, greater_is_better=more), state)
    assert (state.best_metric, state.best_global_step) == best


class SavingTrainer:
    """Writes checkpoints as transformers does, and nothing else."""

    def __init__(self, state: TrainerState, loaded: list[str]) -> None:
        self.state, self.loaded, self.model = state, loaded, None
        self.args = SimpleNamespace(metric_for_best_model="eval_loss", greater_is_better=False, output_dir="")

    def add_callback(self, callback: Any) -> None:
        pass

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        write_checkpoint(Path(self.args.output_dir), self.state.global_step)

    def _load_best_model(self) -> None:
        self.loaded.append(str(self.state.best_model_checkpoint))


class Savings:
    """Checkpoints of a trainer that measures `losses` by their steps, and cannot save those in `lost`."""

    def __init__(self, path: Path, losses: dict[int, float], lost: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
        self.run, self.said, self.loaded = RunDir.create(path), list[str](), list[str]()
        self.state = TrainerState()
        self.trainer = run_trainer(SavingTrainer)(self.state, self.loaded)
        journal: Any = SimpleNamespace(
            enter_phase=lambda *_: None, emit=lambda *_: None, check_folder=lambda: None, log=self._log
        )
        controls = Controls()
        callback = EventCallback(journal, controls, StepMetrics(), steps_per_epoch=1.0)
        recipe = Training(eval_steps=2, load_best_model_at_end=True)
        between = BetweenSteps(self.trainer, callback, journal, controls)
        self.trainer.attach(self.run, callback, between, recipe, kept=1)
        self.best = BestWeights(self.trainer, recipe, self.run.checkpoints, journal)
        monkeypatch.setattr("cockpit.disk.flush", self._flush)
        self._lost = lost
        for step, loss in losses.items():
            self.state.global_step = callback.step = step
            self.state.log_history.append({"eval_loss": loss, "step": step})
            if self.state.best_metric is None or loss < self.state.best_metric:
                self.state.best_metric, self.state.best_global_step = loss, step
            self.trainer.write_checkpoint()

    def steps(self) -> list[int]:
        return [one.step for one in checkpoints(self.run.checkpoints)]

    def _log(self, level: str, text: str) -> None:
        self.said.append(text)

    def _flush(self, folder: Path) -> None:
        if self.state.global_step in self._lost:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))


def test_a_best_that_could_not_be_saved_costs_no_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One checkpoint is kept beside the best: 2 is the best on the disk when 4 cannot be saved, and stays."""
    run = Savings(tmp_path / "run", {2: 3.0, 4: 1.0, 6: 5.0, 8: 4.0}, {4}, monkeypatch)
    assert run.steps() == [8, 2]
    assert run.best.take() == 2
    assert run.loaded == [str(run.run.checkpoints / "checkpoint-2")]
    assert run.said[-1] == (
        "The best was eval_loss 1 after step 4, and there is no complete checkpoint of it: the best that is left is "
        "saved as the result, eval_loss 3 after step 2."
    )
    count = len(run.said)
    assert (run.best.take(), len(run.said)) == (2, count)


def test_last_weights_that_are_better_than_what_is_on_the_disk_are_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Savings(tmp_path / "run", {2: 3.0, 4: 1.0, 6: 2.0}, {4, 6}, monkeypatch)
    assert run.steps() == [2]
    assert (run.best.take(), run.loaded) == (6, [])
    assert run.said[-1].endswith("after step 4, and there is no complete checkpoint of it: the last weights are saved.")


def test_a_stopped_run_tells_which_weights_it_has_saved(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer goes back to the best checkpoint then too."""
    measure(monkeypatch, best_after(4))
    monkeypatch.setattr(Worker, "step_done", stopping_after(9))
    run = hosted(**{**BEST, "training__max_steps": 20, "training__eval_steps": 4, "output__save_steps": 4})
    assert until_end(run, 1).outcome == "stopped"
    kept, adapter = run.run.checkpoints / "checkpoint-4" / "adapter_model.safetensors", run.state.adapter
    assert kept.read_bytes() == (run.run.adapter / "adapter_model.safetensors").read_bytes()
    assert adapter is not None and adapter.step == 4
    assert any("after step 4" in line for line in lines(run, "info"))


@pytest.mark.parametrize("step", [8, 12], ids=["on the way", "at the last step"])
def test_a_run_that_is_stopped_within_an_evaluation_goes_back_to_its_best(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    evaluation_begins = EventCallback.evaluation_begins

    def stopped_within(callback: EventCallback) -> None:
        evaluation_begins(callback)
        if callback.step == step:
            callback.controls.ask_stop(save=True)

    monkeypatch.setattr(EventCallback, "evaluation_begins", stopped_within)
    measure(monkeypatch, best_after(4))
    run = hosted(**{**BEST, "training__max_steps": 12})
    assert until_end(run, 1).outcome == ("stopped" if step == 8 else "completed")
    assert run.state.adapter is not None and run.state.adapter.step == 4
    kept = run.run.checkpoints / "checkpoint-4" / "adapter_model.safetensors"
    assert kept.read_bytes() == (run.run.adapter / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize("is_best", [False, True])
def test_a_run_whose_result_could_not_be_saved_has_it_after_a_resume(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch, is_best: bool
) -> None:
    """All steps are done, the last checkpoint stands, and the disk was full after it: no step is taken anew."""

    flush = disk.flush

    def full(folder: Path) -> None:
        if folder.name == "adapter.partial":
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(folder)

    changes = {**BEST, "training__max_steps": 6, "training__load_best_model_at_end": is_best}
    changes |= {"output__save_total_limit": None}
    measure(monkeypatch, best_after(4))
    undisturbed = hosted(**changes)
    assert until_end(undisturbed, 1).outcome == "completed"
    with monkeypatch.context() as patch:
        patch.setattr(disk, "flush", full)
        run = hosted(**changes)
        assert until_end(run, 1).outcome == "failed"
    recipe = RecipeDocument.load(run.run.recipe).recipe()
    assert ResumePoint.of(run.run, recipe).why_not(recipe) == ""
    again = hosted(resumed=run.run, **changes)
    assert until_end(again, 2).outcome == "completed"
    assert again.state.steps.step == [1, 2, 3, 4, 5, 6]
    assert again.state.adapter is not None and undisturbed.state.adapter is not None
    assert again.state.adapter.step == undisturbed.state.adapter.step
    assert again.state.adapter.step == (4 if is_best else 6)
    saved = [(one.run.adapter / "adapter_model.safetensors").read_bytes() for one in (again, undisturbed)]
    assert saved[0] == saved[1]
    assert ResumePoint.of(run.run, recipe).why_not(recipe) == "6 steps are done; give more."
