"""Resuming from a checkpoint: the same losses, step by step, as in a run that was not interrupted."""

from __future__ import annotations

import errno
import json
import zipfile
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from cockpit import disk
from cockpit.engine.training.changing_data import THEREFORE, ChangingData
from cockpit.engine.training.resumption import Resumption, resumption
from cockpit.protocol.events import (
    CheckpointSaved,
    DataPrepared,
    Evaluated,
    LogWritten,
    RunEnded,
    RunStarted,
    SourceRead,
    StepEnded,
    TrainingPlanned,
    TrainingResumed,
)
from cockpit.recipe import checkpoints as checkpoint_plans
from cockpit.runs.checkpoint import Checkpoint, checkpoints
from cockpit.runs.checksums import CHECKSUMS
from cockpit.runs.folder import RunDir
from cockpit.runs.summary import RunSummary
from tests.engine import tiny
from tests.engine.conftest import HostedRun
from tests.engine.training.measured import best_after, measure
from tests.engine.training.resuming import figures, stopped, until_second_end, whole

Hosted = Callable[..., HostedRun]
DROPOUT = {"lora__lora_dropout": 0.2, "training__max_steps": 12, "training__lr_scheduler_type": "cosine"}
EVALUATED = {**DROPOUT, "training__eval_steps": 3, "data__eval_rows": 4}
BARE = {**DROPOUT, "data__eval_rows": 0}


@pytest.mark.parametrize("changes", [EVALUATED, BARE], ids=["with evaluations", "without"])
def test_losses_are_those_of_an_undisturbed_run(hosted: Hosted, changes: dict[str, Any]) -> None:
    undisturbed = whole(hosted, changes)
    first = stopped(hosted, 4, **changes)
    reached = first.state.step
    assert 4 <= reached < 12
    assert [one.step for one in checkpoints(first.run.checkpoints)] == [reached]

    again = hosted(resumed=first.run, **changes)
    until_second_end(again)
    assert figures(again) == figures(undisturbed)
    assert [step for step, _ in figures(again)] == list(range(1, 13))
    assert not any(event.level == "warning" for event in again.all(LogWritten))
    (resumed,) = again.all(TrainingResumed)
    assert (resumed.step, resumed.path) == (reached, f"checkpoints/checkpoint-{reached}")
    assert [event.attempt for event in again.all(RunStarted)] == [1, 2]
    assert [event.attempt for event in again.all(StepEnded)] == [1] * reached + [2] * (12 - reached)
    assert [event.outcome for event in again.all(RunEnded)] == ["stopped", "completed"]
    assert [event.step for event in again.all(Evaluated)].count(0) == (1 if changes is EVALUATED else 0)
    own = [event.seq for event in again.events if type(event).__name__ not in ("MachineRead", "ReplyGrew")]
    assert own == sorted(set(own))
    summary = RunSummary.of(first.run)
    assert (summary.state, summary.step, summary.total_steps, len(summary.course)) == ("completed", 12, 12, 12)


@pytest.mark.parametrize("grouped", [False, True], ids=["random order", "grouped by length"])
def test_a_later_epoch_is_gone_on_with_where_it_was(hosted: Hosted, grouped: bool) -> None:
    """Ten steps are an epoch."""
    changes: dict[str, Any] = {**BARE, "training__max_steps": 24, "training__group_by_length": grouped}
    undisturbed = whole(hosted, changes)
    first = stopped(hosted, 12, **changes)
    again = hosted(resumed=first.run, **changes)
    until_second_end(again)
    assert figures(again) == figures(undisturbed)
    assert again.all(TrainingResumed)[0].step >= 12


def test_a_completed_run_goes_on_for_more_steps_and_tells_of_data_that_has_changed(
    hosted: Hosted, tmp_path: Path
) -> None:
    """Its schedule is that of the longer run from there on."""
    data = tiny.write_rows(tmp_path / "rows.jsonl", tiny.chat_rows(40))
    first = hosted(data=data, **BARE)
    first.until_ended()
    first.close()
    tiny.write_rows(data, tiny.chat_rows(41))
    longer = {**BARE, "training__max_steps": 15, "training__learning_rate": 0.02}
    again = hosted(resumed=first.run, data=data, **longer)
    until_second_end(again)
    (warning,) = (event.text for event in again.all(LogWritten) if event.level == "warning")
    assert warning.startswith(f"{data} has changed since attempt 1 (40 rows, now 41; SHA-256 ")
    assert [event.step for event in again.all(StepEnded)] == list(range(1, 16))
    assert again.all(TrainingPlanned)[-1].total_steps == 15
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.learning_rates import learning_rates

    recipe = RecipeDocument.load(again.run.recipe).recipe()
    rates = [event.figures["learning_rate"] for event in again.all(StepEnded) if event.attempt == 2]
    assert rates == pytest.approx(learning_rates(recipe.training, 15)[12:])


def prepared(name: str = "tiny/rows", rows: int = 40, commit: str = "", sha256: str = "a", **more: Any) -> Any:
    """What an attempt tells of its data."""
    read = (SourceRead(name=name, rows=rows, commit=commit),) if name else ()
    none: dict[str, Any] = dict.fromkeys(("eval_rows", "skipped_rows", "truncated_rows"), 0)
    return DataPrepared(tokens=1000, trained_tokens=9, sha256=sha256, sources=read, train_rows=rows, **none, **more)


@pytest.mark.parametrize(
    ("before", "now", "files", "told"),
    [
        ({"commit": "0" * 40}, {"commit": "1" * 40}, ({}, {}), "tiny/rows * (commit 00000000, now 11111111)."),
        ({"commit": "0" * 40}, {"commit": "1" * 40, "sha256": "a"}, ({}, {}), ""),
        ({"rows": 39}, {}, ({}, {}), "tiny/rows * (39 rows, now 40)."),
        ({}, {}, ({"tiny/rows": "c" * 64}, {"tiny/rows": "d" * 64}), "tiny/rows * (SHA-256 cccccccc, now dddddddd)."),
        ({}, {}, ({}, {"tiny/rows: b.csv": "d" * 64}), "tiny/rows * (b.csv SHA-256 –, now dddddddd)."),
        (
            {"name": "before"},
            {"rows": 41},
            ({}, {}),
            "What the model is given of the data * (40 rows with 1,000 tokens, now 41 *).",
        ),
        ({"name": ""}, {}, ({}, {}), "What the model is given of the data * (40 rows with 1,000 tokens, now 40 *)."),
        ({"sha256": ""}, {}, ({}, {}), ""),
    ],
)
def test_what_has_changed_of_the_data_is_told(
    before: dict[str, Any], now: dict[str, Any], files: tuple[dict[str, str], dict[str, str]], told: str
) -> None:
    about: dict[str, Any] = {"run_id": "r", "recipe_name": "r", "command": [], "versions": {}, "gpus": [], "driver": ""}
    started = [RunStarted(attempt=at, data_sha256=of, **about) for at, of in enumerate(files, 1)]
    known = ChangingData.of([started[0], prepared(**before), started[1]], 1)
    assert known is not None
    changes = known.changes(prepared(**{"sha256": "b", "attempt": 2, **now}))
    assert len(changes) == (1 if told else 0)
    for change in changes:
        assert fnmatch(change, f"{told.replace('*', 'has changed since attempt 1', 1)} {THEREFORE}")


@pytest.mark.parametrize(
    ("before", "asked", "follows"),
    [("", None, "truncate"), ("auto", None, None), ("split", None, None), ("", "drop", "drop")],
)
def test_a_run_of_an_older_version_goes_on_with_long_rows_truncated(
    tmp_path: Path, before: str, asked: str | None, follows: str | None
) -> None:
    from cockpit.recipe.document import RecipeDocument

    text = tiny.recipe_text(tmp_path, tmp_path, data__long_rows=asked)
    known = ChangingData(prepared(long_rows=before), {}, {})
    resumed = Resumption(Checkpoint(tmp_path, 3), data=known)
    assert resumed.prepared_as_before(RecipeDocument.parse(text, "test").recipe()).data.long_rows == follows
    unknown = Resumption(Checkpoint(tmp_path, 3))
    assert unknown.prepared_as_before(RecipeDocument.parse(text, "test").recipe()).data.long_rows == (
        asked or "truncate"
    )


def test_an_earlier_step_leaves_later_checkpoints_behind(hosted: Hosted) -> None:
    changes = {**BARE, "output__save_steps": 3}
    first = whole(hosted, changes)
    undisturbed = figures(first)
    first.close()
    assert [one.step for one in checkpoints(first.run.checkpoints)] == [12, 9, 6, 3]
    again = hosted(resumed=first.run, from_step=6, **changes)
    again.until(lambda: bool(again.all(TrainingResumed)))
    assert again.state.step >= 6
    until_second_end(again)
    assert figures(again) == undisturbed
    assert sorted(path.name for path in (first.run.checkpoints / "attempt-1").iterdir()) == [
        "checkpoint-12",
        "checkpoint-9",
    ]
    assert [event.step for event in again.state.checkpoints] == [3, 6, 9, 12]


def test_a_checkpoint_that_does_not_load_is_passed_over(hosted: Hosted) -> None:
    changes = {**BARE, "output__save_steps": 2}
    first = whole(hosted, changes)
    undisturbed = figures(first)
    first.close()
    folder = first.run.checkpoints
    tear(folder / "checkpoint-12" / "adapter_model.safetensors")
    tear(folder / "checkpoint-10" / "optimizer.pt")
    (folder / "checkpoint-8" / "trainer_state.json").write_text('{"global_step": 8,')
    again = hosted(resumed=first.run, **changes)
    until_second_end(again)
    assert [event.step for event in again.all(TrainingResumed)] == [6]
    said = [event.text for event in again.all(LogWritten) if "cannot be resumed from" in event.text]
    assert [line.partition(" ")[0] for line in said] == ["checkpoint-12", "checkpoint-10", "checkpoint-8"]
    assert figures(again) == undisturbed


def test_a_checkpoint_with_damaged_bytes_is_passed_over(hosted: Hosted) -> None:
    """One file in each: weights, optimizer, schedule, random numbers, and what the trainer has logged."""
    changes = {**BARE, "output__save_steps": 2, "output__save_total_limit": None}
    first = whole(hosted, changes)
    undisturbed = figures(first)
    first.close()
    folder = first.run.checkpoints
    flip(folder / "checkpoint-12" / "adapter_model.safetensors")
    flip(folder / "checkpoint-10" / "scheduler.pt")
    flip(folder / "checkpoint-8" / "trainer_state.json")
    (folder / "checkpoint-6" / "rng_state.pth").write_bytes((folder / "checkpoint-6" / "scheduler.pt").read_bytes())
    again = hosted(resumed=first.run, **changes)
    until_second_end(again)
    assert [event.step for event in again.all(TrainingResumed)] == [4]
    said = [event.text for event in again.all(LogWritten) if "cannot be resumed from" in event.text]
    assert [line.partition(" ")[0] for line in said] == [f"checkpoint-{step}" for step in (12, 10, 8, 6)]
    assert figures(again) == undisturbed


@pytest.mark.parametrize("damaged", ["rng_state.pth", "trainer_state.json"])
def test_damage_is_found_without_checksums_where_it_would_end_the_run(hosted: Hosted, damaged: str) -> None:
    """A run of a version that wrote none."""
    changes = {**BARE, "output__save_steps": 2}
    first = whole(hosted, changes)
    first.close()
    newest = first.run.checkpoints / "checkpoint-12"
    (newest / CHECKSUMS).unlink()
    if damaged == "rng_state.pth":
        with zipfile.ZipFile(newest / damaged, "w") as content:
            content.writestr("archive/data.pkl", b"no pickle")
    else:
        state = json.loads((newest / damaged).read_text())
        (newest / damaged).write_text(json.dumps(state | {"log_history": [{"step": "no number"}, 7]}))
    assert newest_loading(first.run).step == 10


def test_a_run_without_a_checkpoint_fails_with_a_sentence(hosted: Hosted) -> None:
    first = stopped(hosted, 1, save=False, **BARE)
    assert first.all(CheckpointSaved) == []
    again = hosted(resumed=first.run, **BARE)
    until_second_end(again)
    assert again.state.ended is not None
    assert (again.state.ended.outcome, again.state.ended.attempt) == ("failed", 2)
    assert again.state.ended.reason == "This run has no checkpoint that loads."
    assert first.run.recipe.is_file()


def test_the_best_checkpoint_is_kept_and_becomes_the_adapter(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets worse after a while; patience ends the run then."""
    measure(monkeypatch, best_after(4))
    run = hosted(
        training__max_steps=60,
        training__eval_steps=2,
        training__load_best_model_at_end=True,
        training__early_stopping_patience=3,
        output__save_steps=2,
        output__save_total_limit=1,
    )
    run.until_phase("ready")
    assert run.state.ended is not None
    assert run.state.ended.outcome == "completed"
    assert run.state.ended.reason == "eval_loss got no better in 3 evaluations."
    assert run.state.step == 10
    assert [one.step for one in checkpoints(run.run.checkpoints)] == [10, 4]
    kept, saved = run.run.checkpoints / "checkpoint-4", run.run.adapter
    assert (kept / "adapter_model.safetensors").read_bytes() == (saved / "adapter_model.safetensors").read_bytes()
    assert run.state.adapter is not None and run.state.adapter.step == 4
    state = json.loads((run.run.checkpoints / "checkpoint-10" / "trainer_state.json").read_text())
    assert state["best_model_checkpoint"] == str(kept)


def test_an_adapter_has_checkpoints_though_the_recipe_says_nothing_of_them(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_plans, "EVERY_STEPS", 2)
    run = hosted(**{**BARE, "training__max_steps": 9})
    run.until_ended()
    assert [event.step for event in run.all(CheckpointSaved)] == [2, 4, 6, 8, 9]
    assert [one.step for one in checkpoints(run.run.checkpoints)] == [9, 8, 6]


def test_a_full_disk_costs_a_checkpoint_and_not_the_run(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    flush = disk.flush

    def full(folder: Path) -> None:
        if not folder.name.startswith("checkpoint-"):
            return flush(folder)
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr(disk, "flush", full)
    run = hosted(**{**BARE, "training__max_steps": 2})
    run.until_ended()
    assert run.state.ended is not None and run.state.ended.outcome == "completed"
    warned = [event.text for event in run.all(LogWritten) if event.level == "warning"]
    assert any(line.startswith("Checkpoint 2 could not be saved: The disk is full") for line in warned)
    assert list(run.run.checkpoints.iterdir()) == []


def test_a_full_disk_at_the_end_leaves_no_half_adapter(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    flush = disk.flush

    def full(folder: Path) -> None:
        if folder.name == "adapter.partial":
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))
        flush(folder)

    monkeypatch.setattr(disk, "flush", full)
    run = hosted(**{**BARE, "training__max_steps": 2})
    run.until_ended()
    assert run.state.ended is not None
    assert (run.state.ended.outcome, run.state.ended.reason[:17]) == ("failed", "The disk is full ")
    assert "cockpit resume" in run.state.ended.advice
    assert not run.run.adapter.exists() and not list(run.run.path.glob("*.partial"))


def newest_loading(run: RunDir) -> Checkpoint:
    return resumption(run, None, lambda _: None).checkpoint


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def tear(path: Path) -> None:
    """Cut the end off."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
