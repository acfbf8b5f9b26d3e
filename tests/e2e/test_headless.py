"""The commands as processes: what cannot be done is said in one line, and help imports nothing heavy."""

import os
import subprocess
import sys

import pytest

from tests.e2e.conftest import APP


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
    done = subprocess.run([*APP, *arguments], capture_output=True, text=True, check=False)
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
