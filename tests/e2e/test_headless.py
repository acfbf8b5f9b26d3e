"""The commands with the real engine: train to the end and to an interrupt, then ask what was saved."""

import json
import os
import signal
import subprocess
import sys

import pytest

from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import AdapterSaved, RunEnded, StepEnded
from cockpit.protocol.events import decode as decode_event
from tests.e2e.conftest import APP, engines, only_run, wait_until

pytestmark = pytest.mark.timeout(400)


def cockpit(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*APP, *arguments], capture_output=True, text=True, check=False, timeout=300)


def test_json_is_the_whole_run_and_nothing_else(short_recipe: str) -> None:
    done = cockpit("train", short_recipe, "--json", "--in-process", "--set", "training.max_steps=6")
    assert done.returncode == 0, done.stderr
    events = [decode_event(line.encode()) for line in done.stdout.splitlines()]
    assert isinstance(events[-1], RunEnded) and events[-1].outcome == "completed"
    assert [event.step for event in events if isinstance(event, StepEnded)] == [1, 2, 3, 4, 5, 6]
    assert (only_run().adapter / "adapter_model.safetensors").is_file()
    assert json.loads(cockpit("runs", "--json").stdout)[0]["state"] == "completed"


def test_an_interrupt_saves_and_what_it_saved_answers(short_recipe: str) -> None:
    command = [*APP, "train", short_recipe, "--set", "training.max_steps=5000"]
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
    log = EventReader(only_run().events).poll()
    assert any(isinstance(event, AdapterSaved) for event in log)
    wait_until(lambda: not engines(), "the engine's end", 30)

    asked = cockpit("chat", "last", "-p", "What is the opposite of hot?", "--base", "--greedy")
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout == "The opposite of hot is cold.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            [],
            "cockpit draws on a terminal, and there is none here; use 'cockpit train demo' or",
        ),
        (["attach", "nothing"], "There are no runs in {home}/runs yet; start one with: cockpit train demo"),
        (["chat", "last", "-p", "x"], "There are no runs in {home}/runs yet; start one with: cockpit train demo"),
        (["train", "demo", "--detach", "--in-process"], "give one of the two"),
        (["train", "demo", "--data", "no.json"], "--data: there is no such file: no.json; give"),
        (["train", "demo", "--model", "/"], "--model: /: the folder has no config.json; give"),
        (["train", "demo", "--set", "lora.r=0"], "--set: lora.r: 0 is below the smallest value"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: list[str], sentence: str) -> None:
    done = cockpit(*arguments)
    assert done.returncode == 2
    assert sentence.format(home=os.environ["COCKPIT_HOME"]) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    heavy = "import sys; sys.argv = ['cockpit', '--help']\ntry:\n    from cockpit.__main__ import main; main()\n"
    heavy += (
        "except SystemExit: pass\nprint([m for m in ('torch', 'textual', 'pydantic', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
