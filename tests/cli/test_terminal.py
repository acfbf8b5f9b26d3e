"""Terminals that cannot be drawn on, and strings of the environment that must not act on one that can."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.runs.folder import RunDir
from tests.recording import record
from tests.terminal import Terminal

COCKPIT = [sys.executable, "-m", "cockpit"]
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31mhome"


@pytest.mark.parametrize("term", ["TERM=dumb", "--unset=TERM"])
def test_the_app_says_that_it_cannot_draw(term: str) -> None:
    with Terminal(["env", term, *COCKPIT]) as terminal:
        assert terminal.wait_for_end() == 2
        said = terminal.received.decode().strip()
    assert len(said.splitlines()) == 1 and "\x1b" not in said
    assert said.startswith("cockpit draws on a terminal, and this one takes no drawing (TERM=")


def test_a_run_is_watched_in_lines_on_a_terminal_that_takes_no_drawing() -> None:
    record(runs_folder())
    with Terminal(["env", "TERM=dumb", *COCKPIT, "attach", "last"]) as terminal:
        assert terminal.wait_for_end() == 0
    assert b"Training is complete after step" in terminal.received
    assert b"\x1b" not in terminal.received


@pytest.mark.parametrize("command", [["runs"], ["attach", "last"], ["resume", "last"], ["chat", "last", "-p", "x"]])
def test_no_name_of_a_folder_acts_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]
) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / HOSTILE))
    said = CliRunner().invoke(cockpit, command).output
    assert "home" in said
    assert not any(mark in said for mark in ("\x1b", "\x07", "\x9b"))
    if command[0] == "attach":
        return  # it waits for the engine
    run = RunDir.create(runs_folder() / HOSTILE)
    run.recipe.write_text("broken: [")
    said = CliRunner().invoke(cockpit, command).output
    assert not any(mark in said for mark in ("\x1b", "\x07", "\x9b"))
