"""cockpit logs, events and status: what is there, and what comes while they follow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import EngineExited, LogWritten
from cockpit.runs.folder import RunDir
from tests.recording import record

LOG = "\x1b[31mloading\x1b[0m\nWarning: slow\n  10 %\r 100 %\nTraceback (most recent call last)\n  at\nValueError: no\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    run = record(tmp_path / "runs", until=3, steps=3)
    run.engine_log.write_text(LOG)
    return run


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, arguments)


def test_the_engine_s_output_without_what_a_terminal_would_act_on(run: RunDir) -> None:
    assert call("logs").stdout == LOG.replace("\x1b[31m", "").replace("\x1b[0m", "").replace("  10 %\r", "")
    assert call("logs", "--level", "error").stdout.splitlines() == LOG.splitlines()[-3:]
    assert call("logs", "-n", "1").stdout == "ValueError: no\n"
    assert call("logs", "nobody").exit_code == 2
    run.engine_log.unlink()
    missing = call("logs")
    assert missing.exit_code == 1 and "engine.log cannot be read: No such file" in missing.stderr


def test_the_events_as_they_stand_in_the_log(run: RunDir) -> None:
    told = [json.loads(line)["type"] for line in call("events").stdout.splitlines()]
    assert told[0] == "EngineStarted" and told.count("StepEnded") == 3 and "MachineRead" in told


@pytest.mark.parametrize("what", ["events", "logs"])
def test_following_ends_with_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    run = record(tmp_path / "runs", until=3, ending="going")
    run.engine_log.write_text("first\n")
    command = [sys.executable, "-m", "cockpit", what, "last", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        read = [process.stdout.readline()]
        with run.engine_log.open("a") as log:
            log.write("second\n")
        writer = EventWriter(run.events)
        writer.append(LogWritten(level="info", text="second"))
        while "second" not in read[-1]:
            read.append(process.stdout.readline())
        writer.append(EngineExited(reason="done"))
        writer.close()
        rest = process.stdout.read()
        assert process.wait() == 0
    assert what == "logs" or "EngineExited" in rest


def test_status_with_all_the_command_line(run: RunDir) -> None:
    assert "completed  step 3/3 100 %" in call("status").stdout
    assert json.loads(call("status", "last", "--json").stdout)["id"] == run.id
    assert call("status", "--tmux").stdout.startswith("#[fg=green]demo-1120-2349 completed 3/3 100 %")
    assert call("status", "nobody").exit_code == 2
