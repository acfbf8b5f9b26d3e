"""cockpit train with the real engine and the demo: to its end on a thread, to an interrupt; what that saved answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.protocol.event_lines import decode as decode_event
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import AdapterSaved, EngineExited, RunEnded, StepEnded
from cockpit.runs.folder import all_runs
from tests.engine.warm_stack import WarmStack

SHORT = ("warmup_steps=2", "eval_steps=4")
SHORT_DEMO = ["train", "demo", "--set", "data.eval_rows=16", *(f"--set=training.{field}" for field in SHORT)]


def command_in_fork(arguments: list[str], out: Path) -> int:
    """The status of a command whose stdout is `out`, and whose stack says something while it is imported."""
    from cockpit.engine import stack

    import_stack = stack.import_unsloth

    def import_and_talk() -> None:
        print("Unsloth 2026: no GPU found")
        import_stack()

    stack.import_unsloth = import_and_talk
    os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT), 1)
    try:
        cockpit(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    raise AssertionError("a command ends by an exit")


def test_json_is_the_whole_run_and_nothing_else(tmp_path: Path, unsloth_stack: WarmStack) -> None:
    arguments = [*SHORT_DEMO, "--json", "--in-process", "--set", "training.max_steps=6", "--set", "hardware.gpu=none"]
    assert unsloth_stack.call(command_in_fork, arguments, tmp_path / "out") == 0
    events = [decode_event(line) for line in (tmp_path / "out").read_bytes().splitlines()]
    assert isinstance(events[-1], RunEnded) and events[-1].outcome == "completed"
    assert [event.step for event in events if isinstance(event, StepEnded)] == [1, 2, 3, 4, 5, 6]
    (run,) = all_runs()
    assert (run.adapter / "adapter_model.safetensors").is_file()


def test_an_interrupt_saves_and_what_it_saved_answers(unsloth_stack: WarmStack) -> None:
    command = [sys.executable, "-m", "cockpit", *SHORT_DEMO, "--set", "training.max_steps=5000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as training:
        assert training.stdout is not None
        for line in training.stdout:
            if "  step 3/5,000" in line:
                training.send_signal(signal.SIGINT)
                break
        rest = training.stdout.read()
        assert training.wait(60) == 130, rest
    assert "Training was stopped after step" in rest
    assert "\x1b" not in rest and "\r" not in rest
    (run,) = all_runs()
    log = EventReader(run.events).poll()
    assert any(isinstance(event, AdapterSaved) for event in log)
    assert isinstance(log[-1], EngineExited), "the command has waited for its engine"

    with unsloth_stack.starts_engines():
        asked = CliRunner().invoke(
            cockpit, ["chat", "last", "-p", "What is the opposite of hot?", "--base", "--greedy"]
        )
    assert asked.exit_code == 0, asked.stderr
    assert asked.stdout == "The opposite of hot is cold.\n"
