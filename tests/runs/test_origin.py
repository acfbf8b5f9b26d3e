"""A run folder that came from elsewhere is data: it runs no code, and its links lead nobody to write or remove."""

import os
import shutil
from pathlib import Path

import pytest
import typer

from cockpit.cli.trust import settle_trust
from cockpit.engine.beginning import recipe_of
from cockpit.launch.engines import EngineKey, StartedEngine, start_chat_engine
from cockpit.launch.export_form import ExportForm, why_not
from cockpit.machine.gpu import GpuReport
from cockpit.paths import home, runs_folder
from cockpit.preflight.checks import preflight
from cockpit.protocol.commands import Unload
from cockpit.protocol.event_log import EventWriter
from cockpit.runs.folder import RunDir
from cockpit.runs.link import RunLink
from cockpit.runs.origin import distrust, mark_as_made_here, recipe_of_run
from cockpit.runs.resumable import ResumePoint
from tests.recording import RECIPE, record
from tests.ui.engines import FakeProcess

ASKED = RECIPE.replace("  max_seq_length: 128\n", "  max_seq_length: 128\n  trust_remote_code: true\n")


@pytest.fixture
def run() -> RunDir:
    """One of our own, whose recipe asks for remote code."""
    run = record(runs_folder(), run_id="one", steps=4)
    assert ASKED != RECIPE
    run.recipe.write_text(ASKED.replace("max_steps: 300", "max_steps: 4"))
    mark_as_made_here(run.path)
    return run


def trusts(run: RunDir) -> bool:
    return recipe_of_run(run.path).recipe().model.trust_remote_code


def test_a_run_that_was_made_here_is_trusted_after_it_has_moved_too(run: RunDir) -> None:
    assert trusts(run) and distrust(run.path) == ""
    moved = RunDir(run.path.rename(run.path.with_name("two")))
    assert trusts(moved)
    assert (home() / "token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("how", ["no marker", "another home's marker", "a link to our token", "another owner"])
def test_a_run_from_elsewhere_runs_no_code_until_that_is_asked_for(
    run: RunDir, how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = run.path / "made-here"
    if how == "another owner":
        mine = os.geteuid()
        monkeypatch.setattr("os.geteuid", lambda: mine + 1)
    else:
        marker.unlink()
    if how == "another home's marker":
        marker.write_text("0" * 32)
    elif how == "a link to our token":
        marker.symlink_to(home() / "token")
    assert not trusts(run)
    settle_trust(run, False)
    assert capsys.readouterr().err == (
        "The run one was made elsewhere, or its model was changed by hand, and asks to run code that comes with its "
        "model: that is off; --trust-remote-code allows it.\n"
    )
    if how == "another owner":
        before = marker.read_bytes()
        with pytest.raises(typer.Exit):
            settle_trust(run, True)
        assert capsys.readouterr().err == (
            "The run one belongs to another user, who could change its model at any time, so --trust-remote-code "
            "cannot allow its code: copy the folder, and give it for the copy.\n"
        )
        assert marker.read_bytes() == before
    else:
        settle_trust(run, True)
        assert trusts(run)


def test_the_marker_is_no_secret_and_holds_for_the_model_alone(run: RunDir) -> None:
    assert (home() / "token").read_bytes() not in (run.path / "made-here").read_bytes()
    run.recipe.write_text(run.recipe.read_text().replace("max_steps: 4", "max_steps: 8"))
    assert trusts(run)
    run.recipe.write_text(run.recipe.read_text().replace("max_seq_length: 128", "max_seq_length: 256"))
    assert not trusts(run)
    assert "or its model was changed by hand" in distrust(run.path)


@pytest.mark.parametrize("token", [b"", b"0" * 32, bytes(64)])
def test_a_token_of_another_form_is_replaced(run: RunDir, token: bytes) -> None:
    (home() / "token").write_bytes(token)
    (run.path / "made-here").write_bytes(token)
    assert not trusts(run)
    mark_as_made_here(run.path)
    assert trusts(run)
    made = (home() / "token").read_bytes()
    assert len(made) == 64 and made.strip(bytes(1)) == made
    assert (home() / "token").stat().st_mode & 0o777 == 0o600


def test_a_recipe_that_cockpit_writes_is_our_own_from_then_on() -> None:
    run = RunDir.create(runs_folder() / "one")
    engine = StartedEngine(EngineKey("transformers", "none"), RunLink(run), FakeProcess())
    assert trusts(engine.train(ASKED, "one", []))
    run.recipe.write_text(ASKED.replace("max_seq_length: 128", "max_seq_length: 256"))
    assert not trusts(run)
    engine.resume(run.recipe.read_text(), "one", [])
    assert trusts(run)


def test_a_recipe_that_asks_for_no_code_is_as_it_is(tmp_path: Path) -> None:
    run = record(tmp_path, steps=4)
    assert recipe_of_run(run.path).to_yaml() == run.recipe.read_text()
    assert distrust(run.path) == ""


def test_marking_a_folder_writes_through_no_link(run: RunDir, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept")
    (run.path / "made-here").unlink()
    (run.path / "made-here").symlink_to(target)
    mark_as_made_here(run.path)
    assert target.read_text() == "kept"
    assert trusts(run)


def test_nothing_is_written_or_removed_through_links(run: RunDir, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    files = {name: precious / f"{name}.json" for name in ("lease", "heartbeat", "events.jsonl", "engine.log")}
    for name, target in files.items():
        target.write_text("{}")
        os.utime(target, (1, 1))
        (run.path / name).unlink(missing_ok=True)
        (run.path / name).symlink_to(target)
    shutil.rmtree(run.commands)
    run.commands.symlink_to(precious)
    RunLink(run).poll()
    for write in (run.touch_lease, run.touch_heartbeat, lambda: EventWriter(run.events)):
        with pytest.raises(OSError):
            write()
    with pytest.raises(OSError):
        run.send(Unload(id="x"))
    assert run.take_commands() == []
    (run.path / "adapter").mkdir(exist_ok=True)
    (run.path / "adapter" / "adapter_config.json").write_text("{}")
    run.engine_json.unlink()
    with pytest.raises(OSError):
        start_chat_engine(run, EngineKey("transformers", "none"))
    assert sorted(precious.iterdir()) == sorted(files.values())
    assert all((path.read_text(), path.stat().st_mtime) == ("{}", 1) for path in files.values())


@pytest.mark.parametrize("name", ["checkpoints", "adapter", "model", "adapter/notes.txt", "checkpoints/attempt-1"])
def test_a_run_that_has_links_in_what_it_has_saved_is_not_taken_up(run: RunDir, tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    (precious / "checkpoint-4").mkdir(parents=True)
    (precious / "adapter_config.json").write_text("{}")
    if name == "adapter":
        shutil.rmtree(run.adapter, ignore_errors=True)
    else:
        run.adapter.mkdir(exist_ok=True)
        (run.adapter / "adapter_config.json").write_text("{}")
    (run.path / name).parent.mkdir(exist_ok=True)
    (run.path / name).symlink_to(precious)
    run.engine_json.unlink()
    told = (
        f"In the run one, {name} is a link to {precious}, which is not used: "
        "put the real file or folder in its place, or remove the link."
    )
    recipe = recipe_of_run(run.path).recipe()
    with pytest.raises(ValueError) as refused:
        ResumePoint.of(run, recipe)
    assert str(refused.value) == told
    with pytest.raises(ValueError) as refused:
        start_chat_engine(run, EngineKey("transformers", "none"))
    assert str(refused.value) == told
    assert why_not(run, recipe, ExportForm.parse("adapter"), "none", tmp_path / "out") == told


CODE = """evaluation: {rows: 2, suite: true, function: "mine:right"}
suite:
  learned: [{prompt: a, checks: {contains: [b]}}]
  kept: [{prompt: a, checks: {judge: [rm]}}]
"""


def test_code_of_an_evaluation_from_elsewhere_is_off_until_it_is_allowed(
    run: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    run.recipe.write_text(RECIPE + CODE)
    assert "asks to run code of its author (evaluation.function, evaluation.suite): that is off" in distrust(run.path)
    recipe = recipe_of_run(run.path).recipe()
    assert (recipe.evaluation.rows, recipe.evaluation.suite, recipe.evaluation.function) == (2, False, None)
    settle_trust(run, True)
    assert distrust(run.path) == ""
    recipe = recipe_of_run(run.path).recipe()
    assert recipe.evaluation.suite and recipe.evaluation.function == "mine:right"
    run.recipe.write_text(RECIPE + CODE.replace("[rm]", "[rm, -r]"))
    assert "(evaluation.function, evaluation.suite)" in distrust(run.path), "another command was put in"
    run.recipe.write_text(RECIPE + CODE.replace("contains: [b]", "contains: [c]").replace("rows: 2", "rows: 3"))
    assert distrust(run.path) == "", "what runs no code may be changed"


REWARDED = (
    RECIPE.replace("method: sft", "method: grpo")
    + """grpo:
  max_completion_length: 64
  rewards: [{function: "mine:right"}, {function: "mine:short"}]
"""
)


def test_a_run_whose_rewards_from_elsewhere_are_all_code_is_used_and_not_gone_on_with(run: RunDir) -> None:
    run.recipe.write_text(REWARDED)
    assert "asks to run code of its author (grpo.rewards): that is off" in distrust(run.path)
    recipe = recipe_of_run(run.path).recipe()
    assert (recipe.method, recipe.grpo.rewards, recipe.grpo.max_completion_length) == ("grpo", [], 64)
    assert recipe_of(run) == recipe, "what chat and export load is the same"
    told = [one for one in preflight(recipe, GpuReport(), "x", resumes=True) if one.field == "grpo.rewards"]
    assert [(one.wrong, one.right) for one in told] == [
        (
            "all rewards are functions of the run's author, which are off",
            "allow them with --trust-remote-code, or give others",
        )
    ]
    settle_trust(run, True)
    assert [one.function for one in recipe_of_run(run.path).recipe().grpo.rewards] == ["mine:right", "mine:short"]


def test_rewards_from_elsewhere_that_are_no_code_stay_and_other_conflicts_are_told(run: RunDir) -> None:
    run.recipe.write_text(REWARDED.replace('{function: "mine:short"}', "{length: 4}"))
    assert [one.length for one in recipe_of_run(run.path).recipe().grpo.rewards] == [4]
    run.recipe.write_text(REWARDED.replace("max_completion_length: 64", "max_completion_length: 128"))
    document = recipe_of_run(run.path)
    assert [one.field for one in document.problems()] == ["grpo.max_completion_length"]
    run.recipe.write_text(REWARDED.partition("  rewards")[0])
    assert [one.wrong for one in recipe_of_run(run.path).problems()] == ["nothing is rewarded"]
