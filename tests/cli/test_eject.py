"""cockpit eject: of a recipe and of a run, as script and as notebook."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.recipe.library import find_recipe
from cockpit.runs.folder import RunDir


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, ["eject", *arguments])


def test_of_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed = run("demo")
    assert printed.exit_code == 0, printed.output
    assert "from unsloth import FastLanguageModel" in printed.stdout
    assert run("demo", "--as", "demo.py").exit_code == 0
    assert Path("demo.py").read_text() == printed.stdout
    again = run("demo", "--as", "demo.py")
    assert (again.exit_code, again.stderr) == (
        2, "demo.py: there is such a file already; give another name, or remove it.\n"
    )  # fmt: skip
    assert json.loads(run("demo", "--notebook").stdout)["nbformat"] == 4


def test_of_a_run_as_it_was_fitted() -> None:
    document = find_recipe("demo")
    made = RunDir.create(runs_folder() / "demo-1")
    made.written_recipe.write_text(document.resolved_yaml())
    document.set("training.per_device_train_batch_size", 4)
    made.recipe.write_text(document.resolved_yaml())
    found = run("demo-1").stdout
    reason = "# fitted to the GPU of the run, for the same rows a step; written: 16"
    assert f"    {reason}\n    per_device_train_batch_size=4,\n" in found


def test_what_there_is_none_of(tmp_path: Path) -> None:
    assert run("nothing").exit_code == 2
    images = run("gemma-3-4b-vision")
    sentence = "data.sources: there is no script for rows with images yet; give rows of text.\n"
    assert (images.exit_code, images.stderr) == (2, sentence)
    (tmp_path / "bad.yaml").write_text("schema: 1\n")
    assert run(str(tmp_path / "bad.yaml")).exit_code == 2
