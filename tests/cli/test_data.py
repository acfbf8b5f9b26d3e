"""cockpit data: figures and samples, one JSON document, and what is said where there is none."""

import importlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.data.report import DataReport
from cockpit.data.row_losses import RowLoss, RowLosses, StepRows
from cockpit.paths import runs_folder
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from tests.data.reports import data_report

command = importlib.import_module("cockpit.cli.data")
"""The module; the package has the command of this name."""


def run(*arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(cockpit, ["data", *arguments], input=input)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """The recipes that were looked at; the report is always the same, but for losses of a run."""
    asked: list[Recipe] = []

    def report(recipe: Recipe, name: str, losses: RowLosses | None) -> DataReport:
        asked.append(recipe)
        return msgspec.structs.replace(data_report(), row_losses=losses)

    monkeypatch.setattr(command, "report_of", report)
    return asked


def test_figures_histogram_and_samples_in_words(looked: list[Recipe]) -> None:
    result = run("demo", "--set", "data.eval_rows=3")
    assert result.exit_code == 0
    assert looked[0].data.eval_rows == 3
    assert "✗ 3 of 2,500 rows have no trained token" in result.stdout
    assert "80 % (of the tokens)" in result.stdout
    assert "<|im_start|>assistant\n«Arr, apples, pears and plums, matey! 日本<|im_end|>»" in result.stdout
    assert "tokens  ████" in result.stdout


def test_looks_tell_what_is_trained_on_a_terminal() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, no_color=True, width=200, soft_wrap=True)
    console.print(command.rendered(data_report().samples[0], marks=False))
    assert "\x1b[1;4mArr" in screen.getvalue(), "bold and underlined, without colours too"
    assert "«" not in screen.getvalue()


def test_json_is_one_document(looked: list[Recipe]) -> None:
    result = run("demo", "--json")
    assert msgspec.json.decode(result.stdout_bytes, type=DataReport) == data_report()


def test_a_recipe_may_come_on_stdin(looked: list[Recipe]) -> None:
    text = Path("recipes/demo.yaml").read_text().replace("max_seq_length: 512", "max_seq_length: 256")
    assert run("-", "--json", input=text).exit_code == 0
    assert looked[0].model.max_seq_length == 256
    truncated = run("-", input="a: [")
    assert (truncated.exit_code, truncated.stdout) == (2, "")
    assert truncated.stderr.startswith("stdin:1")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("nothing",), "nothing"),
        (("demo", "--data", "nowhere.jsonl"), "--data: "),
        (("demo", "--set", "lora.r=x"), "lora.r"),
        (("demo", "--set", "data.chat_template=klingon"), "--set: data.chat_template: 'klingon' is no template"),
        (("demo", "--model", "no such/name of it"), "--model: 'no such/name of it' is neither a folder here nor"),
        (("demo", "--model", "~nobody-here/model"), "--model: there is no such folder: ~nobody-here/model"),
        (("demo", "--model", "recipes"), "--model: recipes: the folder has no config.json"),
        (("~nobody-here/recipe.yaml",), "there is no such file"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(arguments: tuple[str, ...], word: str) -> None:
    result = run(*arguments, "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert word in result.stderr
    assert "Traceback" not in result.stderr


def test_the_last_of_no_runs_is_no_recipe() -> None:
    found = run("last")
    assert (found.exit_code, found.stderr) == (
        2, f"There are no runs in {runs_folder()} yet; start one with: cockpit train demo\n"
    )  # fmt: skip


def test_the_command_as_it_is_and_a_model_without_a_tokenizer(tmp_path: Path) -> None:
    """The only test with a process of its own: it imports transformers."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": "What be the colour of the sky?", "completion": "Blue."}) + "\n")
    start = [sys.executable, "-m", "cockpit", "data", "demo", "--data", str(rows), "--json"]
    found = subprocess.run(start, env=environment, capture_output=True, timeout=240, check=False)
    assert (found.returncode, found.stderr) == (0, b"")
    report = msgspec.json.decode(found.stdout, type=DataReport)
    assert (report.train_rows, report.is_all, len(report.samples)) == (1, True, 1)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "qwen3"}')
    result = run("demo", "--model", str(tmp_path / "model"), "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no tokenizer" in result.stderr


def test_the_rows_of_a_run_with_a_high_loss_come_first(
    looked: list[Recipe], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    folder = RunDir.create(runs_folder() / "mine-1130-0400")
    folder.recipe.write_text(Path("recipes/demo.yaml").read_text())
    assert "median" not in run("mine").stdout
    rows = [RowLoss(f"a.jsonl:{at}", 1.0 + 0.01 * at, 9) for at in range(9)] + [RowLoss("a.jsonl:9", 7.0, 4)]
    folder.row_losses.write_bytes(msgspec.json.encode(StepRows(3, rows)) + b"\nrubbish\n")
    said = run("last").stdout
    assert "high loss    1 (of 10 rows, steps 3 to 3)" in said
    assert "    7.000     1.045       3       4     1 ! a.jsonl:9\n" in said
    assert "1 line of row_losses.jsonl cannot be read." in said
    report = msgspec.json.decode(run("mine", "--json").stdout_bytes, type=DataReport)
    assert report.row_losses is not None
    assert report.row_losses.highest[0].where == "a.jsonl:9"
    assert len(looked) == 3
