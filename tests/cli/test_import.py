"""cockpit import: the recipe, what is said of it, and where it is written."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit

AXOLOTL = "base_model: owner/model\nadapter: qlora\nrelora: true\nsequence_len: 1024\nlearning_rate: 0.0002\n"
ADVICE = "What it comes to: cockpit plan mine.yaml; to start it: cockpit train mine.yaml"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, ["import", *arguments])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("theirs.yml").write_text(AXOLOTL)
    return tmp_path


def test_the_recipe_is_printed_and_its_share_is_said() -> None:
    result = run("theirs.yml")
    assert result.exit_code == 0, result.output
    assert "name_or_path: owner/model" in result.stdout
    assert "# Not carried over:\n#   relora: true  -- cockpit has no such variant of training\n" in result.stdout
    assert result.stderr.splitlines() == [
        "Axolotl: 4 of 5 settings carried over (80 %), 4 as fields and 0 as comments; 1 not.",
        "Not carried over:",
        "  line 3: relora: true  -- cockpit has no such variant of training",
        "The file names no data: give it as data.sources, or at the start as --data FILE.",
    ]


def test_it_is_written_where_asked_and_passes_its_checks() -> None:
    result = run("theirs.yml", "--as", "mine.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines()[-1] == f"mine.yaml passes its checks. {ADVICE}"
    assert CliRunner().invoke(cockpit, ["recipes", "check", "mine.yaml"]).stdout == "1 recipe is fine\n"


def test_no_file_is_written_over() -> None:
    Path("mine.yaml").write_text("kept")
    result = run("theirs.yml", "--as", "mine.yaml")
    assert (result.exit_code, Path("mine.yaml").read_text()) == (2, "kept")
    assert result.stderr == "mine.yaml: there is such a file already; give another name, or remove it.\n"
    assert run("theirs.yml", "--as", "mine.txt").stderr == (
        "mine.txt: a recipe's file ends in .yaml; give --as mine.yaml.\n"
    )


def test_a_file_that_is_none_is_refused_in_a_sentence() -> None:
    result = run("none.yml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "none.yml: there is no such file; give a configuration, a notebook or a script\n"
