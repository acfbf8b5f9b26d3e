"""A FIFO in place of a file that a person or another program can place: nobody waits for its other end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.data.rows import read_rows
from cockpit.models.folder import read_json
from cockpit.models.weights_file import defect_of_safetensors
from cockpit.paths import runs_folder, user_recipes_folder
from cockpit.protocol.commands import UnreadableCommand
from cockpit.protocol.event_log import EventReader, EventWriter, newest_attempt
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.library import library
from cockpit.recipe.problem import RecipeError
from cockpit.runs.checkpoint import newest_complete
from cockpit.runs.checksums import damage
from cockpit.runs.link import RunLink
from cockpit.runs.summary import RunSummary
from tests.recording import record
from tests.runs.complete_checkpoint import write_checkpoint


def make_fifo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def test_in_the_recipes_folder() -> None:
    path = make_fifo(user_recipes_folder() / "trap.yaml")
    (entry,) = [entry for entry in library() if entry.path == path]
    assert "not a regular file" in str(entry.problems[0])
    with pytest.raises(RecipeError):
        RecipeDocument.load(path)


@pytest.mark.parametrize("name", ["events.jsonl", "gpu.jsonl", "chat.jsonl", "export.jsonl", "engine.json"])
def test_in_a_run_folder(name: str) -> None:
    run = record(runs_folder(), run_id="one", steps=4)
    path = make_fifo(run.path / name)
    assert RunSummary.of(run).run == run
    RunLink(run).poll()
    assert EventReader(path).poll() == []
    assert newest_attempt(path) == 0
    assert (run.identity() is None) == (name == "engine.json")
    with pytest.raises(OSError):
        EventWriter(path)


def test_among_the_commands() -> None:
    run = record(runs_folder(), run_id="one", steps=4)
    make_fifo(run.commands / "1-x.json")
    outside = run.path / "elsewhere"
    outside.write_text("{}")
    (run.commands / "2-y.json").symlink_to(outside)
    refused = [command for command in run.take_commands() if isinstance(command, UnreadableCommand)]
    assert [command.id for command in refused] == ["x", "y"]
    assert all(command.why.endswith("it is not a regular file.") for command in refused)
    assert list(run.commands.iterdir()) == []
    assert outside.read_text() == "{}"


def test_in_a_checkpoint() -> None:
    run = record(runs_folder(), run_id="one", steps=4)
    for name in ("trainer_state.json", "adapter_model.safetensors"):
        make_fifo(write_checkpoint(run.checkpoints, len(name)) / name)
    found, passed = newest_complete(run.checkpoints)
    assert found is None
    assert len(passed) == 2


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".tsv", ".txt", ".parquet", ".arrow"])
def test_as_data(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(OSError, match="not a regular file"):
        list(read_rows(make_fifo(tmp_path / f"rows{suffix}")))


@pytest.mark.parametrize(
    ("look", "found"),
    [
        (read_json, {}),
        (defect_of_safetensors, "SHA256SUMS cannot be read"),
        (lambda path: damage(path.parent), "SHA256SUMS cannot be read"),
    ],
    ids=["config.json", "weights", "checksums"],
)
def test_in_a_models_folder(tmp_path: Path, look: Callable[[Path], object], found: object) -> None:
    assert look(make_fifo(tmp_path / "SHA256SUMS")) == found
