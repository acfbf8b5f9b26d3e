"""TensorBoard's files: read by TensorBoard itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.protocol.events import StepEnded, TrackingStarted
from tests.engine.conftest import HostedRun

Hosted = Callable[..., HostedRun]


@pytest.mark.parametrize("named", [False, True], ids=["in the run folder", "in a folder of its own"])
def test_its_files_hold_the_runs_figures(hosted: Hosted, tmp_path: Path, named: bool) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = {"output__logging_dir": str(tmp_path / "logs")} if named else {}
    run = hosted(training__max_steps=6, output__logging_steps=2, output__report_to=["tensorboard"], **folder)
    run.until_ended()
    written = accumulator.EventAccumulator(str(tmp_path / "logs" if named else run.run.path / "tensorboard"))
    written.Reload()
    told = {event.step: event.figures for event in run.all(StepEnded)}
    losses = {scalar.step: scalar.value for scalar in written.Scalars("train/loss")}
    assert sorted(losses) == [2, 4, 6]
    assert losses[4] == pytest.approx((told[3]["loss"] + told[4]["loss"]) / 2, rel=1e-4)
    rates = {scalar.step: scalar.value for scalar in written.Scalars("train/learning_rate")}
    assert rates[6] == pytest.approx(told[6]["learning_rate"])
    assert "eval/loss" in written.Tags()["scalars"]
    told_where = [(event.tracker, event.link) for event in run.all(TrackingStarted)]
    assert told_where == [("tensorboard", f"cockpit tensorboard {run.run.id}")]
