"""A glance at a run says what its summary says, whatever became of it, without what takes long to import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from cockpit.runs.glance import Glance, newest_run
from cockpit.runs.label import Label
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.status_line import asked_for, for_tmux, line
from cockpit.runs.summary import RunSummary
from tests.recording import Ending, record


@pytest.mark.parametrize("ending", get_args(Ending))
def test_it_agrees_with_the_summary(tmp_path: Path, ending: Ending) -> None:
    run = record(tmp_path, ending=ending, until=None if ending == "completed" else 126, reason="No.")
    found, summary = Glance.at(run.path), RunSummary.of(run)
    assert (found.state, found.step, found.total_steps) == (summary.state, summary.step, summary.total_steps)
    assert found.loss == summary.loss
    assert found.eval_loss == summary.eval_loss


@pytest.mark.parametrize("steps", [20_000])
def test_a_long_log_is_read_at_its_ends(tmp_path: Path, steps: int) -> None:
    run = record(tmp_path, ending="going", steps=steps, until=15_000)
    found = Glance.at(run.path)
    assert (found.step, found.total_steps) == (15_000, steps)
    assert found.loss == RunSummary.of(run).loss


@pytest.mark.parametrize(
    ("boot", "beats", "state"), [("another", True, "running"), ("another", False, "silent"), ("", False, "lost")]
)
def test_an_engine_out_of_sight(tmp_path: Path, boot: str, beats: bool, state: str) -> None:
    run = record(tmp_path, ending="going", until=5)
    identity = run.identity()
    assert identity is not None
    if boot:
        identity = msgspec.structs.replace(identity, boot_id=boot, host="another")
    else:
        identity = EngineIdentity(**msgspec.structs.asdict(identity) | {"pid": 2**22 - 1})
    run.write_identity(identity)
    if beats:
        run.touch_heartbeat()
    else:
        os.utime(run.engine_json, (1, 1))
        run.heartbeat.unlink(missing_ok=True)
    assert Glance.at(run.path).state == state == RunSummary.of(run).state


def test_a_run_that_says_nothing_yet_is_starting(tmp_path: Path) -> None:
    (tmp_path / "commands").mkdir()
    found = Glance.at(tmp_path)
    assert (found.state, found.step, found.loss, found.eta_s) == ("starting", 0, None, None)
    assert line(found) == f"{tmp_path.name}  starting"


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    run = record(tmp_path, until=20, steps=20)
    with run.events.open("ab") as log:
        log.write(b'{"type":"StepEnded","step":\n\xff\xfe\n[1]\n')
    assert Glance.at(run.path).state == "completed"


def test_the_line_and_tmux_s(tmp_path: Path) -> None:
    found = Glance("a#1", "running", "training", 126, 300, 0.703, 0.6581, "loss", 0.703, 0.6581, [], "", 40.0, 0.2, 0.5)
    assert line(found) == "a#1  training  step 126/300 42 %  loss 0.7030  held-out 0.6581  ETA 40 s"
    assert for_tmux(found) == "#[fg=green]a##1 training 126/300 42 % 0.7030 40 s#[default]"
    found.alarms = ["gradient_spike"]
    assert for_tmux(found).startswith("#[fg=yellow]a##1 ! gradient spike")
    found.alarms, found.silence_s, found.eta_s, found.step_s = [], 240.0, None, 31.0
    assert line(found).endswith("silent for 4 m 00 s (usual step 31 s)")


def test_which_run_is_meant(tmp_path: Path) -> None:
    assert newest_run(tmp_path / "none")[0] is None
    one, other = (record(tmp_path, run_id=name, until=1) for name in ("one-1", "one-2"))
    os.utime(one.recipe, (9e9, 9e9))
    assert newest_run(tmp_path)[0] == one.path
    assert newest_run(tmp_path, "one-2")[0] == other.path
    assert newest_run(tmp_path, "one")[1] == "Several runs begin with 'one'; give more of the id."
    assert "'cockpit runs' lists all 2" in newest_run(tmp_path, "two")[1]
    Label(name="two").write(other)
    assert newest_run(tmp_path, "two") == (
        None, "'two' is the name of one-2, and commands take a run's id; give that."
    )  # fmt: skip
    other.remove()
    assert newest_run(tmp_path, "")[0] is None, "an empty name is not the beginning of the only run"


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ([], ("last", False, False)),
        (["--tmux", "demo"], ("demo", True, False)),
        (["demo", "--json"], ("demo", False, True)),
        (["--help"], None),
        (["one", "two"], None),
    ],
)
def test_what_is_answered_at_once(arguments: list[str], asked: tuple[str, bool, bool] | None) -> None:
    assert asked_for(arguments) == asked


def test_the_command_imports_nothing_that_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    record(tmp_path / "runs", ending="completed", steps=30)
    code = (
        "import sys; sys.argv = ['cockpit', 'status', '--json']\n"
        "from cockpit.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as ended: print(ended.code, sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told, rest = done.stdout.splitlines()
    assert json.loads(told)["state"] == "completed"
    assert rest.startswith("0 ")
    slow = ("textual", "typer", "rich", "msgspec", "numpy", "pydantic", "platformdirs", "psutil", "asyncio", "torch")
    assert [name for name in slow if f"'{name}'" in rest] == []
