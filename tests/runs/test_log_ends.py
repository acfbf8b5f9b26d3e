"""The ends of a run's log, read again as it grows, and what is not read again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.paths import runs_folder
from cockpit.protocol import event_lines
from cockpit.protocol import events as ev
from cockpit.runs import log_ends
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.log_ends import LogEnds
from cockpit.runs.summary import RunSummary, Summaries

STARTED = ev.RunStarted(run_id="r", recipe_name="demo", command=[], versions={}, gpus=[], driver="", data_sha256={})


def step(number: int) -> ev.StepEnded:
    return ev.StepEnded(step=number, total_steps=9999, epoch=0, step_time_s=1, metrics={"loss": 1 / number})


def progressed(done: int) -> ev.PhaseProgressed:
    return ev.PhaseProgressed(phase="evaluating", done=done, total=None, unit="batches")


@pytest.fixture
def run() -> RunDir:
    made = RunDir.create(runs_folder() / "one")
    made.write_identity(EngineIdentity.of_this_process("unsloth"))
    return made


def encoded(*events: ev.AnyEvent) -> bytes:
    return b"".join(map(event_lines.encode, events))


def write(run: RunDir, *events: ev.AnyEvent) -> None:
    with run.events.open("ab") as log:
        log.write(encoded(*events))


@pytest.fixture
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many bytes of lines were decoded since the last call."""
    counted, decode = [0], event_lines.decode_lines

    def counting(lines: bytes, damage: list[str] | None = None) -> list[ev.AnyEvent]:
        counted[0] += len(lines)
        return decode(lines, damage)

    def taken() -> int:
        count, counted[0] = counted[0], 0
        return count

    monkeypatch.setattr(event_lines, "decode_lines", counting)
    return taken


@pytest.mark.parametrize("at_once", [1, 7, 400])
def test_a_log_that_grows_is_summed_up_as_if_read_at_once(run: RunDir, at_once: int) -> None:
    events: list[ev.AnyEvent] = [STARTED, *(step(number) for number in range(1, 1500))]
    events += [ev.TrainingResumed(step=1200, path="c", attempt=2), *(step(number) for number in range(1201, 1300))]
    events.append(ev.RunEnded(outcome="completed", step=1299, attempt=2))
    summaries = Summaries()
    for first in range(0, len(events), at_once):
        write(run, *events[first : first + at_once])
        if first % 50 == 0:
            summaries.of(run)
    assert summaries.of(run) == RunSummary.of(run)
    assert (summaries.of(run).step, summaries.of(run).state) == (1299, "completed")


def test_a_truncated_line_is_read_once_it_is_complete(run: RunDir) -> None:
    ends, line = LogEnds(), event_lines.encode(step(2))
    write(run, STARTED, step(1))
    ends.read(run.events)
    for part in (line[:10], line[10:]):
        with run.events.open("ab") as log:
            log.write(part)
        ends.read(run.events)
    assert [event.step for event in ends.events if isinstance(event, ev.StepEnded)] == [1, 2] and not ends.damage


def test_only_what_is_new_is_read(run: RunDir, bytes_read: Callable[[], int]) -> None:
    summaries = Summaries()
    write(run, STARTED, *(step(number) for number in range(1, 3000)))
    summaries.of(run)
    assert bytes_read() <= log_ends.HEAD_BYTES + log_ends.TAIL_BYTES
    summaries.of(run)
    assert bytes_read() == 0
    write(run, step(3000))
    assert summaries.of(run).step == 3000
    assert bytes_read() == len(event_lines.encode(step(3000)))


def test_a_long_stretch_without_a_step_is_read_once_and_its_progress_not_at_all(
    run: RunDir, bytes_read: Callable[[], int]
) -> None:
    summaries = Summaries()
    write(run, STARTED, *(step(number) for number in range(1, 2000)), *map(progressed, range(9000)))
    assert run.events.stat().st_size > 8 * log_ends.TAIL_BYTES
    assert summaries.of(run).step == 1999
    assert bytes_read() < run.events.stat().st_size / 2
    write(run, progressed(9001))
    assert summaries.of(run).step == 1999
    assert bytes_read() == len(event_lines.encode(progressed(9001)))


def test_another_file_in_its_place_is_read_anew(run: RunDir, tmp_path: Path) -> None:
    ends = LogEnds()
    write(run, STARTED, *(step(number) for number in range(1, 50)))
    assert ends.read(run.events) and not ends.read(run.events)
    (tmp_path / "other").write_bytes(encoded(STARTED, *(step(number) for number in range(1, 90))))
    os.replace(tmp_path / "other", run.events)  # noqa: PTH105
    ends.read(run.events)
    assert [event.step for event in ends.events if isinstance(event, ev.StepEnded)][-1] == 89
    run.events.write_bytes(event_lines.encode(STARTED))
    ends.read(run.events)
    assert ends.events == [STARTED]
    run.events.unlink()
    assert ends.read(run.events) and ends.events == []


def test_what_was_appended_since_long_ago_is_read_from_its_end(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_ends, "MOST_NEW_BYTES", 1000)
    ends = LogEnds()
    write(run, STARTED, *(step(number) for number in range(1, 50)))
    ends.read(run.events)
    write(run, *(step(number) for number in range(50, 3000)))
    ends.read(run.events)
    steps = [event.step for event in ends.events if isinstance(event, ev.StepEnded)]
    assert steps[-1] == 2999 and len(steps) <= 2 * log_ends.STEPS_KEPT
