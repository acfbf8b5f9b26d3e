"""A run whose base was moved, for real: cockpit chat, export and resume take its new place with --model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.models.fingerprint import fingerprint
from cockpit.models.folder import read_json
from cockpit.paths import standby_folder
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import RunStarted
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.moved_base import recorded_base, why_other_base, with_base
from tests.engine import tiny
from tests.engine.conftest import HostedRun, cockpit_home
from tests.engine.export.exporting import export
from tests.engine.warm_stack import WarmStack

ASK = ("-p", "what is the name of red 3", "--greedy", "--max-tokens", "6")


class Moved(SimpleNamespace):
    run: RunDir
    was: Path
    base: Path


@pytest.fixture(scope="module")
def moved(folder: Path, model: Path, rows: Path) -> Iterator[Moved]:
    """A completed run, whose base is in another folder since."""
    with cockpit_home(folder / "moved-home"):
        was = Path(shutil.copytree(model, folder / "base"))
        changes = {"training__max_steps": 2, "output__save_steps": 2}
        text = tiny.recipe_text(was, rows, backend="transformers", **changes)
        run = HostedRun(RunDir.create(folder / "moved-home" / "runs" / "moved"), text)
        run.until_ended()
        run.close()
        # It was a thread of this process, which lives on.
        gone = EngineIdentity.of_this_process("transformers")
        run.run.write_identity(msgspec.structs.replace(gone, pid=2**22 + 1))
        yield Moved(run=run.run, was=was, base=was.rename(folder / "moved-base"))


@pytest.fixture(autouse=True)
def _its_home(moved: Moved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(moved.run.path.parent.parent))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def command(stack: WarmStack, *arguments: str) -> Result:
    with stack.starts_engines():
        return CliRunner().invoke(cockpit, list(arguments))


def test_the_run_has_recorded_its_base(moved: Moved) -> None:
    assert recorded_base(moved.run) == fingerprint(moved.base)


def test_chat_answers_by_run_and_by_folder_and_leaves_the_recipe_alone(moved: Moved, plain_stack: WarmStack) -> None:
    before = moved.run.recipe.read_bytes()
    by_run = command(plain_stack, "chat", "moved", *ASK, "--model", str(moved.base))
    assert by_run.exit_code == 0, by_run.stderr
    by_folder = command(plain_stack, "chat", str(moved.run.adapter), *ASK, "--model", str(moved.base))
    assert by_folder.exit_code == 0, by_folder.stderr
    assert by_run.stdout == by_folder.stdout != "\n"
    assert "cannot be checked" not in by_run.stderr + by_folder.stderr
    assert moved.run.recipe.read_bytes() == before


def test_a_checkpoint_is_asked_by_its_step(moved: Moved, plain_stack: WarmStack) -> None:
    place = ("--model", str(moved.base))
    by_run = command(plain_stack, "chat", "moved", *ASK, *place)
    by_step = command(plain_stack, "chat", "moved@2", *ASK, *place)
    assert (by_step.exit_code, by_step.stdout) == (0, by_run.stdout), by_step.stderr
    assert command(plain_stack, "chat", "moved@2", *ASK).stderr.startswith("The base model is not there: ")
    assert not list(standby_folder().iterdir()), "what was made for the question is removed"


def test_another_model_in_the_bases_place_is_told(moved: Moved) -> None:
    recipe = with_base(RecipeDocument.load(moved.run.recipe).recipe(), str(moved.base))
    assert why_other_base(moved.run, recipe) == ""
    (weights,) = moved.base.glob("*.safetensors")
    before = weights.read_bytes()
    try:
        weights.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        assert why_other_base(moved.run, recipe) == (
            f"The base in {moved.base} is not the one that was trained on: {weights.name} holds other weights."
        )
    finally:
        weights.write_bytes(before)


def test_export_merges_and_an_adapter_names_the_new_place(moved: Moved, tmp_path: Path) -> None:
    before = moved.run.recipe.read_bytes()
    merged, adapter = tmp_path / "merged", tmp_path / "adapter"
    assert "there is no such folder" in export(moved.run, "merged-16bit", merged).reason
    assert export(moved.run, "merged-16bit", merged, base=str(moved.base)).reason == ""
    assert (merged / "config.json").is_file()
    assert export(moved.run, "adapter", adapter, base=str(moved.base)).reason == ""
    assert read_json(adapter / "adapter_config.json")["base_model_name_or_path"] == str(moved.base)
    assert moved.run.recipe.read_bytes() == before


def test_the_export_command_gives_its_process_the_new_place(moved: Moved, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(
        cockpit, ["export", "moved", "--as", "adapter", "--out", str(out), "--model", str(moved.base)]
    )
    assert done.exit_code == 0, done.stderr
    assert read_json(out / "adapter_config.json")["base_model_name_or_path"] == str(moved.base)


def test_resume_goes_on_and_its_recipe_names_the_new_place(moved: Moved, plain_stack: WarmStack) -> None:
    """Last in this module: the run's recipe is another one then."""
    more = ("--set", "training.max_steps=3", "--model", str(moved.base))
    done = command(plain_stack, "resume", "moved", *more)
    assert done.exit_code == 0, done.stderr
    assert RecipeDocument.load(moved.run.recipe).recipe().model.name_or_path == str(moved.base)
    kept = RecipeDocument.load(moved.run.path / "recipe.attempt-1.yaml").recipe()
    assert kept.model.name_or_path == str(moved.was)
    starts = [event for event in EventReader(moved.run.events).poll() if isinstance(event, RunStarted)]
    assert [one.attempt for one in starts] == [1, 2]
    assert starts[0].base_sha256 == starts[1].base_sha256
