"""cockpit card: of what a run has saved, printed or written, and of a run that has saved nothing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from tests.recording import record


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, ["card", *arguments])


def test_a_result_has_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = record(runs_folder(), run_id="pirate-1", ending="completed")
    made.adapter.mkdir(exist_ok=True)
    (made.adapter / "adapter_config.json").write_text('{"r": 16, "base_model_name_or_path": "owner/base"}')
    (made.adapter / "README.md").write_text("---\nlibrary_name: peft\n---\n\nMine.\n")
    printed = run("pirate-1")
    assert printed.exit_code == 0, printed.output
    lines = printed.stdout.splitlines()
    assert lines[:5] == ["---", "library_name: peft", "---", "", "Mine."]
    assert {"# A pirate in one minute", "| method | sft, LoRA r 16 |", "| rows a step | 16 |"} <= set(lines)
    assert any(line.startswith("    vllm serve BASE --enable-lora --max-lora-rank 16") for line in lines)
    assert str(made.path) not in printed.stdout
    monkeypatch.chdir(tmp_path)
    assert run("pirate-1", "--as", "CARD.md").exit_code == 0
    assert Path("CARD.md").read_text() == printed.stdout
    again = "CARD.md: there is such a file already; give another name, or remove it.\n"
    assert (run("pirate-1", "--as", "CARD.md").exit_code, run("pirate-1", "--as", "CARD.md").stderr) == (2, again)


def test_of_nothing_there_is_no_card() -> None:
    record(runs_folder(), run_id="pirate-2", ending="failed")
    nothing = run("pirate-2")
    assert (nothing.exit_code, nothing.stderr) == (1, "pirate-2 has saved no model yet.\n")
    assert run("none-such").exit_code == 2
