"""What a run came to, read from its log: short ones whole, long ones at both ends and in samples."""

import itertools
import math
from pathlib import Path

import msgspec
import pytest

from cockpit.protocol import event_lines
from cockpit.protocol import events as ev
from cockpit.runs.details import SAMPLE_BYTES, SAMPLES, RunDetails
from cockpit.runs.folder import RunDir
from tests.recording import record


def losses(run: RunDir) -> list[float]:
    events = [event_lines.decode(line) for line in run.events.read_bytes().splitlines()]
    return [event.metrics["loss"] or math.nan for event in events if isinstance(event, ev.StepEnded)]


def test_a_short_log_is_read_whole(tmp_path: Path) -> None:
    run = record(tmp_path, steps=300)
    details = RunDetails.of(run)
    told = losses(run)
    assert len(details.steps) == 300
    assert details.ends is not None
    assert details.ends.first == pytest.approx(sum(told[:10]) / 10)
    assert details.ends.last == pytest.approx(sum(told[-10:]) / 10)
    assert details.ends.steps == 10
    assert details.held_out is not None and details.held_out[0] > details.held_out[1]
    assert list(details.evaluations.step) == [0, 60, 120, 180, 240, 300]
    assert details.data is not None and details.data.train_rows == 1196
    assert details.took_s is not None and 60 < details.took_s < 120
    assert details.result is not None and details.result.path == "adapter"
    assert (details.reason, details.checkpoint) == ("", None)


def test_why_a_run_failed_and_what_is_left_of_it(tmp_path: Path) -> None:
    run = record(tmp_path, ending="failed", until=40, reason="The disk is full.")
    (run.checkpoints / "checkpoint-20").mkdir(parents=True)
    (run.checkpoints / "checkpoint-40").mkdir()
    details = RunDetails.of(run)
    assert details.reason == "The disk is full."
    assert details.checkpoint == 40


def test_a_run_of_one_step_or_none_has_no_course(tmp_path: Path) -> None:
    assert RunDetails.of(record(tmp_path, run_id="one", until=1, ending="failed")).ends is None
    nothing = RunDetails.of(RunDir.create(tmp_path / "nothing"))
    assert (nothing.ends, nothing.held_out, nothing.took_s, len(nothing.steps)) == (None, None, None, 0)


def test_a_long_log_is_sampled_and_both_its_ends_are_true(tmp_path: Path) -> None:
    run = record(tmp_path, steps=20_000)
    assert run.events.stat().st_size > 3 * SAMPLES * SAMPLE_BYTES
    details = RunDetails.of(run)
    told = losses(run)
    assert details.ends is not None
    assert details.ends.first == pytest.approx(sum(told[:10]) / 10)
    assert details.ends.last == pytest.approx(sum(told[-10:]) / 10)
    steps = [details.steps.step[row] for row in range(len(details.steps))]
    assert steps == sorted(set(steps))
    assert steps[0] == 1 and steps[-1] == 20_000
    assert max(after - before for before, after in itertools.pairwise(steps)) < 20_000 / SAMPLES * 1.5
    column = details.steps.column("loss")
    assert column is not None
    assert all(column[row] == told[step - 1] for row, step in enumerate(steps))


def test_the_time_of_an_attempt_whose_beginning_was_not_read_is_not_made_up(tmp_path: Path) -> None:
    run = record(tmp_path, steps=20_000)
    lines = run.events.read_bytes().splitlines(keepends=True)
    later = [event_lines.decode(line) for line in lines[len(lines) // 2 :]]
    again = [event_lines.encode(msgspec.structs.replace(event, attempt=2)) for event in later if event is not None]
    run.events.write_bytes(b"".join(lines[: len(lines) // 2] + again))
    assert RunDetails.of(run).took_s is None
