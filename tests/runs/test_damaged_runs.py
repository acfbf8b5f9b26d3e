"""A run whose files hold what no engine writes: shown as damaged, and no harm to others."""

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.cli.runs import runs
from cockpit.paths import runs_folder
from cockpit.protocol import event_lines
from cockpit.runs.folder import RunDir, find_run
from cockpit.runs.link import RunLink
from cockpit.runs.sentences import sentence
from cockpit.runs.state import RunState
from cockpit.runs.summary import RunSummary
from tests.recording import record
from tests.torture.fuzz import ODD, failures

STEP = {
    "type": "StepEnded", "at": 1.7e9, "step": 9, "total_steps": 9, "epoch": 1.0, "step_time_s": 1.0, "metrics": {},
}  # fmt: skip
DAMAGED: dict[str, Any] = {
    "a time beyond the calendar": STEP | {"at": 1e300},
    "a time before 1970": STEP | {"at": -5.0},
    "a type that is a list": {"type": []},
    "a pid below one": {"type": "EngineStarted", "pid": -1, "host": "h", "backend": "unsloth"},
    "a step time of 1e308": STEP | {"step_time_s": 1e308},
    "a step below zero": STEP | {"step": -1},
    "a metric that cannot be drawn": STEP | {"metrics": {"loss": 1e308}},
    "attempt 0": STEP | {"attempt": 0},
    "no object": [],
}


def add_line(run: RunDir, line: bytes) -> None:
    with run.events.open("ab") as log:
        log.write(line + b"\n")


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_run_is_shown_as_such_and_harms_no_other(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    record(runs_folder(), run_id="sound", steps=4)
    run = record(runs_folder(), run_id="bad", steps=4)
    add_line(run, json.dumps(DAMAGED[what]).encode())
    summary = RunSummary.of(run)
    assert (summary.state, summary.outcome, summary.step) == ("damaged", "completed", 4)
    assert summary.damage.startswith("Its events.jsonl holds a line that no engine writes (")
    runs()
    told = capsys.readouterr()
    assert [line.split()[:2] for line in told.out.splitlines()[1:]].count(["sound", "completed"]) == 1
    assert [line.split()[:2] for line in told.out.splitlines()[1:]].count(["bad", "damaged"]) == 1
    assert told.err == f"bad is damaged. {summary.damage}\n"
    runs(as_json=True)
    listed = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert (listed["bad"]["state"], listed["sound"]["damage"]) == ("damaged", "")


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"StepEnded","at":17000000',  # the engine was killed while it wrote
        b"\0\0\0\0" + json.dumps(STEP).encode(),  # the power was cut
        json.dumps({"type": "SomethingNew", "at": "never"}).encode(),
        json.dumps({"type": "PhaseStarted", "at": 1.0, "phase": "dreaming"}).encode(),
        b"",
    ],
)
def test_what_a_crash_or_a_newer_engine_leaves_is_no_damage(line: bytes) -> None:
    run = record(runs_folder(), run_id="one", steps=4)
    add_line(run, line)
    assert (RunSummary.of(run).state, RunSummary.of(run).damage) == ("completed", "")


@pytest.mark.parametrize("field", ["pid", "started"])
@pytest.mark.parametrize("value", [-1, 1e300, "1", None, [], 2**70])
def test_an_engine_that_cannot_be_is_none(field: str, value: object) -> None:
    run = record(runs_folder(), run_id="one", steps=4)
    run.engine_json.write_text(json.dumps(json.loads(run.engine_json.read_text()) | {field: value}))
    assert run.identity() is None
    run.engine_json.write_bytes(b'{"host":"\xff"}')
    assert run.identity() is None


def test_no_field_of_any_event_harms_a_reader(tmp_path: Path) -> None:
    """Each field of each type of event that a run holds, with each odd value."""
    run = record(tmp_path, steps=4, gpus=1, replies=True)
    lines = [line for log in (run.events, run.gpu, run.chat) for line in log.read_bytes().splitlines()]
    by_type = {json.loads(line)["type"]: json.loads(line) for line in lines}
    assert len(by_type) > 12
    base = [event for event in map(event_lines.decode, lines) if event is not None]
    taken = refused = 0
    for fields in by_type.values():
        for name in fields:
            for value in ODD:
                found = event_lines.decode_lines(json.dumps(fields | {name: value}).encode())
                taken, refused = taken + len(found), refused + (not found)
                state = RunState()
                for event in (*base[-6:], *found, *base[:3]):
                    state.apply(event)
                    sentence(event)
                state.eta(), state.tokens_per_s(), state.progress_pace(), state.elapsed_s
    assert taken > 200, "some values are odd and possible"
    assert refused > 500


def test_files_damaged_at_random_raise_nothing() -> None:
    """The short form of tests/torture/fuzz.py."""
    assert list(failures(trials=2, seed=7)) == []
    assert RunLink(find_run("sound")).poll()
