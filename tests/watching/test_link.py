"""A run that cockpit did not start, as events: what its files tell, and nothing beyond."""

import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from cockpit.protocol import events as ev
from cockpit.protocol.commands import Stop
from cockpit.runs.state import RunState
from cockpit.watching.found import find
from cockpit.watching.link import WatchLink
from cockpit.watching.trainer_state import TrainerState
from cockpit.watching.wandb_file import WandbFile
from tests.watching.trainers import BEGAN, RECORDED, EventWriter, checkpoint, printed, wandb_file, wandb_history

LOSSES = [7.28, 3.196, 1.388, 1.109, 1.214, 1.128]


def watched(link: WatchLink, state: RunState | None = None) -> RunState:
    """All that is there by now."""
    state = state or RunState()
    while True:
        state.take(link.poll())
        if not link.is_behind:
            return state


def test_a_log_with_bars_tells_its_steps_and_their_pace(tmp_path: Path) -> None:
    link = WatchLink(printed(tmp_path))
    state = watched(link)
    assert list(state.steps.step) == [2, 4, 6, 8, 10, 12]
    assert state.steps.metrics["loss"][:] == LOSSES
    assert state.total_steps == 12
    assert state.steps.epoch[:] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert state.steps.step_time_s[-1] == pytest.approx(1 / 2.17)
    assert [(one.step, one.figures["eval_loss"], one.duration_s) for one in state.evaluations] == [
        (4, 1.088, 0.1416), (8, 0.7076, 0.2181), (12, 0.9483, 0.0174)
    ]  # fmt: skip
    assert state.ended is not None and (state.ended.outcome, state.ended.step) == ("completed", 12)
    assert link.liveness() == "exited"
    assert not link.counts_entries


def test_a_log_without_bars_is_counted_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "train.out"
    path.write_text("".join(f"{{'loss': '{loss}', 'epoch': '0.1'}}\n" for loss in LOSSES))
    link = WatchLink(tmp_path)
    events = link.poll()
    state = RunState()
    state.take(events)
    assert list(state.steps.step) == [1, 2, 3, 4, 5, 6]
    assert state.total_steps is None and state.steps.pace() == [] and state.eta() is None
    assert link.counts_entries
    warned = [event.text for event in events if isinstance(event, ev.LogWritten) and event.level == "warning"]
    assert warned == ["Its log tells no steps: what it has logged is counted in their place, and steps are not known."]


def test_bars_and_entries_out_of_order_are_not_matched(tmp_path: Path) -> None:
    """As where stdout is put by in blocks, and stderr is not."""
    bars = "".join(f"\r {8 * step}%|#   | {step}/12 [00:0{step}<00:09, 1.00it/s]" for step in range(1, 7))
    entries = "".join(f"\n{{'loss': {loss}, 'epoch': 0.1}}" for loss in LOSSES)
    (tmp_path / "train.log").write_text(f"{bars}{entries}\n\r 58%|#   | 7/12 [00:07<00:05, 1.00it/s]")
    link = WatchLink(tmp_path)
    state = watched(link)
    assert link.counts_entries
    assert state.steps.metrics["loss"][:] == LOSSES
    assert list(state.steps.step) == [1, 2, 3, 4, 5, 6]


def test_a_log_is_followed_as_it_grows(tmp_path: Path) -> None:
    whole = (RECORDED / "printed.log").read_bytes()
    path, state = tmp_path / "train.log", RunState()
    path.write_bytes(whole[:700])
    link = WatchLink(path)
    for end in range(700, len(whole), 97):  # also within characters and within bars
        path.write_bytes(whole[:end])
        watched(link, state)
        assert state.steps.metrics.get("loss", [])[:] == LOSSES[: len(state.steps)]
    path.write_bytes(whole)
    watched(link, state)
    assert list(state.steps.step) == [2, 4, 6, 8, 10, 12]
    assert state.ended is not None


def test_an_exception_at_the_end_of_a_log_is_a_failure(tmp_path: Path) -> None:
    state = watched(WatchLink(printed(tmp_path, "failed.log")))
    assert state.ended is not None and state.ended.outcome == "failed"
    assert state.ended.reason == "RuntimeError: 0 active drivers ([]). There should only be one."


def test_event_files_tell_the_time_of_each_step(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "runs" / "a" / "events.out.tfevents.1.host.1.0")
    writer.settings('{"per_device_train_batch_size": 2, "num_train_epochs": 2, "max_steps": -1, "optim": "adamw_8bit"}')
    link, state = WatchLink(tmp_path), RunState()
    for step in range(10, 60, 10):
        figures = {"train/loss": 5.0 / step, "train/epoch": step / 100, "train/num_tokens": 1000.0 * step}
        writer.log(step, 2.0 * step, figures)
    writer.log(50, 101.0, {"eval/loss": 0.25, "eval/runtime": 0.5})
    watched(link, state)
    assert list(state.steps.step) == [10, 20, 30, 40, 50]
    assert state.steps.at[0] == BEGAN + 20
    assert state.steps.step_time_s[:] == [None, 2.0, 2.0, 2.0, 2.0]
    assert state.total_steps == 200  # two epochs of 100
    assert state.eta() == (300.5, 0.0)  # the held-out rows are measured once more, at the end
    assert state.tokens_per_s() == 500.0
    assert [(one.step, one.duration_s) for one in state.evaluations] == [(50, 0.5)]
    assert link.facts()[:2] == [("batch", "2 rows"), ("optimizer", "adamw_8bit")]
    assert state.ended is None and link.liveness() == "alive"
    writer.log(60, 120.0, {"train/loss": float("nan"), "train/epoch": 0.6})
    watched(link, state)
    assert state.steps.column("loss") is not None and str(state.steps.latest("loss")) == "nan"
    writer.log(60, 121.0, {"train/train_runtime": 121.0, "train/train_loss": 0.5, "train/epoch": 0.6})
    assert watched(link, state).ended is not None


def test_a_second_event_file_goes_on_where_the_run_was_resumed(tmp_path: Path) -> None:
    first = EventWriter(tmp_path / "events.out.tfevents.1.host.1.0")
    for step in (1, 2, 3):
        first.log(step, step, {"train/loss": 3.0, "train/epoch": step / 10})
    second = EventWriter(tmp_path / "events.out.tfevents.2.host.1.0")
    second.log(3, 10.0, {"train/loss": 2.0, "train/epoch": 0.3})
    second.log(4, 11.0, {"train/loss": 1.0, "train/epoch": 0.4})
    state = watched(WatchLink(tmp_path))
    assert list(state.steps.step) == [1, 2, 3, 4]
    assert state.steps.metrics["loss"][:] == [3.0, 3.0, 2.0, 1.0]


def test_wandb_tells_settings_steps_and_the_end(tmp_path: Path) -> None:
    wandb_file(tmp_path)
    link = WatchLink(tmp_path)
    state = watched(link)
    assert list(state.steps.step) == [2, 4, 6, 8, 10, 12, 14]
    assert state.steps.metrics["loss"][-1] == 0.25  # behind a record of several blocks
    assert str(state.steps.metrics["grad_norm"][2]) == "nan"
    assert [(one.step, one.duration_s) for one in state.evaluations] == [(6, 0.25), (12, 0.25)]
    assert state.total_steps == 120  # three epochs, of which 12 steps are 0.3
    assert link.facts()[:4] == [
        ("model", "some/model"),
        ("batch", "2 rows, 4 times a step"),
        ("optimizer", "adamw_torch_fused"),
        ("schedule", "linear"),
    ]
    assert state.ended is not None and state.ended.outcome == "failed"
    assert state.ended.reason == "Its process ended with exit status 1, as W&B says."


def test_a_checkpoint_alone_tells_all_that_was_logged_before_it(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    link = WatchLink(tmp_path)
    state = watched(link)
    assert list(state.steps.step) == [2, 4, 6, 8]
    assert state.steps.step_time_s[:] == [None] * 4 and state.tokens_per_s() is None
    assert state.total_steps == 12 and state.ended is None
    assert [(one.step, one.path) for one in state.checkpoints] == [(8, "checkpoint-8")]
    size = (RECORDED / "trainer_state.json").stat().st_size + 1000
    assert state.checkpoints[0].size_bytes == size
    assert ("batch", "2 rows") in link.facts()


def test_a_checkpoint_adds_to_what_an_event_file_tells(tmp_path: Path) -> None:
    EventWriter(tmp_path / "runs" / "events.out.tfevents.1").log(9, 9.0, {"train/loss": 1.0})
    checkpoint(tmp_path)
    state = watched(WatchLink(tmp_path))
    assert (list(state.steps.step), state.total_steps, len(state.checkpoints)) == ([9], 12, 1)


def test_of_several_runs_the_newest_is_watched(tmp_path: Path) -> None:
    for name, age_s in (("a", 7200), ("b", 0)):
        path = tmp_path / name / "events.out.tfevents.1"
        EventWriter(path).log(1, 1.0, {"train/loss": 1.0 if name == "a" else 2.0})
        os.utime(path, (time.time() - age_s,) * 2)
    assert watched(WatchLink(tmp_path)).steps.latest("loss") == 2.0


def test_a_run_that_begins_beside_is_turned_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.watching.link.LOOK_EVERY_S", 0.0)
    checkpoint(tmp_path)
    link = WatchLink(tmp_path)
    state = watched(link)
    assert len(state.steps) == 4
    EventWriter(tmp_path / "events.out.tfevents.1").log(5, 5.0, {"train/loss": 0.5})
    state.take(link.poll())
    watched(link, state)
    assert state.steps.latest("loss") == 0.5 and state.steps.newest_step == 5


def test_silence_is_told_by_when_its_files_were_written(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    EventWriter(path).log(1, 1.0, {"train/loss": 1.0})
    os.utime(path, (time.time() - 500,) * 2)
    link = WatchLink(tmp_path)
    watched(link)
    assert link.liveness() == "silent"
    assert 499 < link.silence_s() < 600


def test_it_takes_no_commands_and_writes_nothing(tmp_path: Path) -> None:
    printed(tmp_path)
    link = WatchLink(tmp_path)
    watched(link)
    link.close()
    with pytest.raises(OSError, match=r"^This run was not started by cockpit; it takes no commands\.$"):
        link.send(Stop(id="a", save=True))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["printed.log"]


def test_a_folder_with_nothing_of_a_trainer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("{'a': 1}\n")
    with pytest.raises(LookupError) as error:
        WatchLink(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} holds nothing that a trainer has written: no trainer_state.json, no event file of TensorBoard, no "
        "run of W&B, no log with lines like {'loss': ...}."
    )


def test_a_log_that_has_just_begun_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("Loading weights\n")
    link = WatchLink(tmp_path)
    state = watched(link)
    assert len(state.steps) == 0
    with path.open("a") as log:
        log.write("{'loss': 2.0, 'epoch': 0.1}\n")
    assert watched(link, state).steps.latest("loss") == 2.0


@pytest.mark.parametrize("cut", [1, 7, 12, 40, 1000, 40_000])
def test_files_cut_short_or_damaged_are_shown_as_far_as_they_are_good(tmp_path: Path, cut: int) -> None:
    path = wandb_file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    watched(WatchLink(tmp_path))
    flipped = bytearray(whole)
    flipped[-cut] ^= 0xFF
    path.write_bytes(flipped)
    watched(WatchLink(tmp_path))
    events = tmp_path / "events.out.tfevents.1"
    EventWriter(events).log(1, 1.0, {"train/loss": 1.0})
    events.write_bytes(events.read_bytes() + bytes([cut % 256]) * cut)
    assert watched(WatchLink(events)).steps.latest("loss") == 1.0


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "-Infinity"])
def test_a_figure_that_was_none_leaves_the_rest_of_its_file_readable(tmp_path: Path, figure: str) -> None:
    path = checkpoint(tmp_path) / "trainer_state.json"
    path.write_text(re.sub(r'("grad_norm": )[^,\n]+', rf"\1{figure}", path.read_text(), count=1))
    assert figure in path.read_text()
    state = watched(WatchLink(tmp_path))
    assert list(state.steps.step) == [2, 4, 6, 8] and len(state.checkpoints) == 1
    assert str(state.steps.metrics["grad_norm"][0]) == "nan"


def test_a_checkpoint_that_goes_while_it_is_looked_at_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, read = checkpoint(tmp_path), TrainerState.read

    def read_and_gone(path: Path) -> TrainerState | None:
        found = read(path)
        shutil.rmtree(folder)  # as save_total_limit does
        return found

    monkeypatch.setattr(TrainerState, "read", read_and_gone)
    state = watched(WatchLink(tmp_path))
    assert list(state.steps.step) == [2, 4, 6, 8] and state.checkpoints == []


def test_what_is_nested_without_end_is_passed_over(tmp_path: Path) -> None:
    endless = "[" * 20_000
    path = wandb_history(tmp_path, {"loss": "2.0"}, {"loss": endless}, {"loss": "1.0"})
    assert [entry.metrics for entry in WandbFile(path).read()] == [{"loss": 2.0}, {"loss": 1.0}]
    events = EventWriter(tmp_path / "events.out.tfevents.1")
    events.settings(endless)
    events.log(1, 1.0, {"train/loss": 1.0})
    assert watched(WatchLink(tmp_path / "events.out.tfevents.1")).steps.latest("loss") == 1.0
    state = checkpoint(tmp_path) / "trainer_state.json"
    state.write_text(endless)
    assert TrainerState.read(state) is None


def test_logs_that_stay_as_they_are_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        (tmp_path / f"slurm-{number}.out").write_text("Loading weights\n")
    opened: list[str] = []
    whole = Path.open

    def counted(path: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(path.name)
        return whole(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", counted)
    find(tmp_path)
    assert len(opened) == 20
    find(tmp_path)
    assert len(opened) == 20
    with whole(tmp_path / "slurm-7.out", "a") as log:
        log.write("{'loss': 2.0, 'epoch': 0.1}\n")
    found = find(tmp_path)
    assert opened[20:] == ["slurm-7.out"]
    assert found.source is not None and found.source.paths == [tmp_path / "slurm-7.out"]
