"""stdout that nobody reads, that is full or that was closed: one sentence, a status, and what was asked for is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.runs.folder import all_runs

DETACHED = """
import sys
from cockpit.launch import engines
engine = sys.argv.pop(1)
engines.python_command = lambda *_: [engine]
from cockpit.__main__ import main
main()
"""
"""`cockpit`, whose engine is the program that is given first."""


def ended(way: str, command: list[str]) -> tuple[int, str]:
    """The command's status and stderr with such a stdout."""
    if way == "nobody reads":
        read, write = os.pipe()
        os.close(read)
    elif way == "full":
        write = os.open("/dev/full", os.O_WRONLY)
    else:
        write = os.open(os.devnull, os.O_WRONLY)
        command = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    return done.returncode, done.stderr


WAYS = [
    ("nobody reads", 141, "nobody reads it any more"),
    ("full", 1, "No space left on device"),
    ("closed", 1, "it is closed"),
]


@pytest.mark.parametrize(("way", "status", "why"), WAYS)
def test_what_cannot_be_printed_is_told_in_one_sentence(way: str, status: int, why: str) -> None:
    assert ended(way, [sys.executable, "-m", "cockpit", "runs"]) == (
        status,
        f"Nothing more can be written to stdout: {why}.\n",
    )


@pytest.mark.parametrize(("way", "status", "why"), WAYS)
def test_a_detached_run_has_been_started_before_its_name_is_printed(
    way: str, status: int, why: str, tmp_path: Path
) -> None:
    engine = tmp_path / "engine"
    engine.write_text("#!/bin/sh\nexec sleep 600\n")
    engine.chmod(0o700)
    command = [sys.executable, "-c", DETACHED, str(engine), "train", "demo", "--set", "hardware.gpu=none", "--detach"]
    found, said = ended(way, command)
    (run,) = all_runs()
    identity = run.identity()
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)
    assert found == status
    assert why in said and f"cockpit attach {run.id}" in said
    assert [path.suffix for path in run.commands.iterdir()] == [".json"]
