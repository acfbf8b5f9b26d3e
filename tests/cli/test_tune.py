"""cockpit tune as a process: lines for a person, an end that is asked for, and what it writes into a recipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.cli.tune_lines import TuneLines, lines_of
from cockpit.paths import user_recipes_folder
from cockpit.preflight import checks
from cockpit.recipe.document import RecipeDocument
from cockpit.tuning import tuner
from cockpit.tuning.probe import Probe
from cockpit.tuning.told import ProbeEnded, ProbeWent, TuneEnded, decode
from tests.ui.engines import write_recipe

CHILD = """
import sys, time
from cockpit.preflight import checks
from cockpit.tuning import tuner

class Prober:
    def __init__(self, **_): pass
    def probe(self, *_):
        print("PROBING", flush=True)
        time.sleep(100)
    def close(self):
        print("CLOSED", flush=True)

checks.preflight = lambda *_: []
tuner.Prober = Prober
from cockpit.cli import cockpit
cockpit(["tune", sys.argv[1], "--json"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["INT", "TERM", "HUP"])
def test_whoever_ends_it_leaves_no_engine_behind(number: signal.Signals, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, "mine")
    command = [sys.executable, "-c", CHILD, str(recipe)]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("PROBING"):
                child.send_signal(number)
                break
        rest = child.stdout.read().splitlines()
        assert child.wait(60) == 130, rest
    assert rest[0] == "CLOSED"
    ended = decode(rest[-1])
    assert isinstance(ended, TuneEnded) and ended.stopped


class Paced:
    """A prober to which smaller micro-batches are faster."""

    def __init__(self, **_: object) -> None:
        pass

    def probe(self, recipe: object, *_: object) -> Probe:
        seconds = 0.1 * recipe.training.per_device_train_batch_size  # type: ignore[attr-defined]
        return Probe([100] * 11, [seconds] * 11, [2.0] * 11)

    def close(self) -> None:
        pass


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(checks, "preflight", lambda *_: [])
    monkeypatch.setattr(tuner, "Prober", Paced)
    monkeypatch.setattr("os.getloadavg", lambda: (0.1, 0.1, 0.1))


def tune(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, ["tune", *arguments])


def test_a_line_a_way_and_the_difference_that_writing_would_make(paced: None, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, "mine")
    before = recipe.read_text()
    done = tune(str(recipe))
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "mine on the CPU, for 5 m 00 s"
    assert lines[1].startswith("  1  as written, ") and "tokens/s" in lines[1]
    assert any("(changes more: more rows in a step)" in line for line in lines)
    assert any(line.startswith("fastest: ") and "times as fast as written" in line for line in lines)
    assert any(line.startswith("+") and "per_device_train_batch_size: 1" in line for line in lines)
    assert recipe.read_text() == before, "nothing is written unasked"
    again = tune(str(recipe), "--write")
    assert f"Written to {recipe}:" in again.stdout.splitlines()
    assert RecipeDocument.load(recipe).recipe().training.per_device_train_batch_size == 1
    assert tune(str(recipe)).stdout.splitlines()[-1].startswith("fastest: 1  as written")


def test_a_shipped_recipe_becomes_one_of_your_own(paced: None) -> None:
    done = tune("demo", "--write")
    assert done.exit_code == 0, done.output
    own = user_recipes_folder() / "demo.yaml"
    assert RecipeDocument.load(own).recipe().training.per_device_train_batch_size == 1


def test_what_cannot_be_measured_ends_with_1(paced: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Paced, "probe", lambda *_: Probe(outcome="failed", reason="No such file."))
    done = tune(str(write_recipe(tmp_path, "mine")))
    assert done.exit_code == 1
    assert "failed: No such file." in done.stdout and "No way to train mine could be measured here." in done.stderr


def test_a_recipe_on_stdin_has_no_file_to_be_written_to(paced: None) -> None:
    text = RecipeDocument.load(Path(__file__).parents[2] / "recipes" / "demo.yaml").resolved_yaml()
    done = CliRunner().invoke(cockpit, ["tune", "-", "--write"], input=text)
    assert done.exit_code == 2 and "a recipe on stdin has no file" in done.stderr
    assert CliRunner().invoke(cockpit, ["tune", "-", "--json"], input=text).exit_code == 0


def test_strings_of_others_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    lines = TuneLines(sys.stdout)
    lines(ProbeEnded(number=1, name="a\x1b[2Jb", outcome="failed", reason="c\x1b]0;title\x07d"))
    lines(ProbeWent(number=1, phase="training", steps=1))
    assert "\x1b" not in capsys.readouterr().out
    assert lines_of(TuneEnded(number=0, name="", settings={}, times=None, took_s=1.0)) == []
