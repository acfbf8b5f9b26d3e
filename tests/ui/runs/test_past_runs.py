"""Runs that have ended, in the app: going on with one, exporting what it has saved, ending an engine that compiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.widgets import Input

from cockpit.launch import exports as exporting
from cockpit.paths import runs_folder
from cockpit.protocol.commands import Stop
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import CheckpointSaved, ExportEnded, LogWritten, PhaseStarted, RunEnded
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.resume_policy import refused_changes
from cockpit.recipe.schedule import effective_batch
from cockpit.runs.abort import abort_run
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.resumable import ResumePoint
from cockpit.ui.app import CockpitApp
from cockpit.ui.screens.dialog import Dialog
from cockpit.ui.screens.editor import EditorScreen
from cockpit.ui.screens.export_dialog import ExportDialog
from cockpit.ui.screens.resume_dialog import ResumeDialog
from cockpit.ui.widgets.export_list import ExportList
from cockpit.ui.widgets.panel_tabs import PanelTabs
from cockpit.ui.widgets.run_list import RunList
from tests.recording import RECIPE, record
from tests.runs.complete_checkpoint import write_checkpoint, write_safetensors
from tests.ui.engines import CPU, FakeEngines, FakeProbe, FakeProcess, flown, is_at, shown
from tests.ui.stage import Stage
from tests.ui.waiting import until


def bar(app: CockpitApp) -> str:
    """The line of keys."""
    return shown(app).splitlines()[-1]


def resume_point(step: int, total_steps: int, *, is_saved: bool) -> ResumePoint:
    before = RecipeDocument.parse(RECIPE, "recipe.yaml").recipe()
    return ResumePoint("demo-1120-2349", "demo", before, step, total_steps, (), is_saved, is_complete=is_saved)


def stopped_run(*steps: int) -> RunDir:
    """A run that was stopped in the middle and has left checkpoints."""
    run = record(runs_folder(), run_id="demo-1120-2349", ending="stopped")
    run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), pid=2**22 + 1))
    log = EventWriter(run.events)
    for step in steps:
        write_checkpoint(run.checkpoints, step)
        log.append(CheckpointSaved(step=step, path=f"checkpoints/checkpoint-{step}", size_bytes=10))
    log.close()
    return run


async def test_r_on_the_live_screen_goes_on_with_the_run() -> None:
    run, engines = stopped_run(5, 10), FakeEngines()
    async with flown(open_run=run, engines=engines) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "resume" in shown(app))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ResumeDialog))
        assert "after step 10" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: any(said.startswith("resume demo") for said in engines.said))
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        assert engines.started[-1].link.run == run
        assert app.session is not None and app.session.is_engine_ours
        assert "max_steps: 300" in engines.started[-1].recipe_text


async def test_a_run_of_two_machines_goes_on_by_one_with_as_many_rows_a_step() -> None:
    run, engines = stopped_run(5, 10), FakeEngines()
    run.recipe.write_text(RECIPE + "hardware:\n  nodes: 2\n  parallel: ddp\n")
    before = RecipeDocument.load(run.recipe).recipe()
    async with flown(open_run=run, engines=engines) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "resume" in shown(app))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ResumeDialog))
        await pilot.press("enter")
        await until(pilot, lambda: "This machine trains it alone" in shown(app))
        await until(pilot, lambda: any(said.startswith("resume demo") for said in engines.said))
    (engine,) = [engine for engine in engines.started if engine.recipe_text]
    after = RecipeDocument.parse(engine.recipe_text, "recipe.yaml").recipe()
    assert (before.hardware.nodes, after.hardware.nodes, engine.key.ranks) == (2, 1, 1)
    assert after.training.gradient_accumulation_steps == 2
    assert effective_batch(before) == effective_batch(after) == 32
    assert refused_changes(before, after, "recipe.yaml") == []


@pytest.mark.parametrize("on_lost", ["resume", "resume, of two machines", "wait"])
async def test_a_run_that_is_lost_before_the_app_s_eyes_goes_on_where_its_recipe_says_so(on_lost: str) -> None:
    run, engines = record(runs_folder(), run_id="demo-1120-2349", ending="going", until=126), FakeEngines()
    on_lost, *more = on_lost.split(", ")
    run.recipe.write_text(RECIPE + f"lifecycle:\n  on_lost: {on_lost}\n" + ("hardware:\n  nodes: 2\n" if more else ""))
    write_checkpoint(run.checkpoints, 120)
    log = EventWriter(run.events)
    log.append(CheckpointSaved(step=120, path="checkpoints/checkpoint-120", size_bytes=10))
    log.close()
    async with flown(open_run=run, engines=engines) as (app, pilot):
        await until(pilot, lambda: app.session is not None and app.session.was_alive)
        run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), pid=2**22 + 1))
        if more:
            await until(pilot, lambda: "was lost: 2 machines train it" in shown(app))
            assert not any(said.startswith("resum") for said in engines.said)
            return
        await until(pilot, lambda: "resume after step 120" in shown(app) or bool(engines.said))
        if on_lost == "resume":
            await until(pilot, lambda: any(said.startswith("resume demo") for said in engines.said))
        else:
            assert not any(said.startswith("resume") for said in engines.said)


async def test_more_steps_can_be_asked_for_and_fewer_cannot() -> None:
    run, engines = stopped_run(10), FakeEngines()
    async with flown(open_run=run, engines=engines) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "resume" in shown(app))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ResumeDialog))
        app.screen.query_one(Input).value = "10"
        await pilot.press("enter")
        await until(pilot, lambda: "10 steps are done; give more." in shown(app))
        app.screen.query_one(Input).value = "500"
        await pilot.press("enter")
        await until(pilot, lambda: bool(engines.said) and engines.said[-1].startswith("resume"))
        assert "max_steps: 500" in engines.started[-1].recipe_text


async def test_the_plan_is_the_recipes_where_an_attempt_has_ended_before_it_could_follow_it() -> None:
    run = stopped_run(10)
    run.recipe.write_text(run.recipe.read_text().replace("max_steps: 300", "max_steps: 500"))
    async with flown(open_run=run) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "resume" in shown(app))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ResumeDialog))
        await until(pilot, lambda: "490 more." in shown(app))


@pytest.mark.parametrize(("step", "planned", "first", "more"), [(300, 300, "600", "300"), (120, 300, "300", "180")])
async def test_the_first_offer_is_the_plan_or_as_much_again(step: int, planned: int, first: str, more: str) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(ResumeDialog(resume_point(step, planned, is_saved=True)))
        await until(pilot, lambda: f"{more} more." in shown(app))
        assert app.screen.query_one(Input).value == first
        assert not app.screen.query(".-wrong")
        for wrong in ("", "9" * 5000, "-1", "1.5"):
            app.screen.query_one(Input).value = wrong
            await until(pilot, lambda: "Give a whole number up to 10,000,000." in shown(app))


async def test_a_run_that_has_not_saved_its_result_goes_on_for_that_alone() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(ResumeDialog(resume_point(300, 300, is_saved=False)))
        await until(pilot, lambda: "No more: what it has learnt is saved." in shown(app))
        assert app.screen.query_one(Input).value == "300"
        app.screen.query_one(Input).value = "299"
        await until(pilot, lambda: "300 steps are done; give more." in shown(app))


async def test_r_on_a_recent_run_without_a_checkpoint_says_why_not() -> None:
    run = stopped_run(10)
    (run.checkpoints / "checkpoint-10" / "optimizer.pt").write_bytes(b"truncated")
    async with flown() as (app, pilot):
        await until(pilot, lambda: "demo-1120-2349" in shown(app))
        app.screen.query_one("#run-list").focus()
        await pilot.press("r")
        await until(pilot, lambda: "no checkpoint to resume from" in shown(app))
        assert is_at(app, "RecipesScreen")


@pytest.mark.parametrize("answer", ["wait", "resume it here"])
async def test_a_run_whose_engine_is_silent_for_minutes_is_resumed_where_the_person_says_so(answer: str) -> None:
    run, engines = record(runs_folder(), run_id="demo-1120-2349", until=20, ending="silent"), FakeEngines()
    write_checkpoint(run.checkpoints, 20)
    log = EventWriter(run.events)
    log.append(CheckpointSaved(step=20, path="checkpoints/checkpoint-20", size_bytes=10))
    log.close()
    async with flown(open_run=run, engines=engines) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "resume" in bar(app))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Dialog) and "resume it here" in shown(app))
        if answer == "wait":
            await pilot.press("enter")
            await until(pilot, lambda: is_at(app, "LiveScreen"))
            assert not any(said.startswith("resum") for said in engines.said)
            return
        await pilot.press("right", "enter")
        await until(pilot, lambda: isinstance(app.screen, ResumeDialog))
        await pilot.press("enter")
        await until(pilot, lambda: any(said.startswith("resume demo") for said in engines.said))
        assert engines.forced == [True]


async def test_an_export_waits_for_the_gpu_driver_to_answer() -> None:
    run, probe = stopped_run(), FakeProbe(None)
    async with flown(open_run=run, probe=probe) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "export" in shown(app))
        await pilot.press("x")
        await until(pilot, lambda: "Waiting for the GPU driver" in shown(app))
        probe.report = CPU
        await until(pilot, lambda: isinstance(app.screen, ExportDialog) and app.screen.query(ExportList))


async def test_x_exports_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    run, asked, process = stopped_run(), [], FakeProcess()
    write_safetensors(run.adapter / "adapter_model.safetensors")
    (run.adapter / "adapter_config.json").write_text("{}")

    def start(run: RunDir, key: Any, form: str, out: Path, **options: Any) -> tuple[str, FakeProcess]:
        asked.append((form, out))
        return "x1", process

    monkeypatch.setattr(exporting, "start_export", start)
    async with flown(open_run=run) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "export" in shown(app))
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ExportDialog))
        await pilot.press("down", "down", "down", "enter")
        await until(pilot, lambda: "merged-4bit is Unsloth's own" in shown(app))
        await pilot.press("up", "up", "up", "enter")
        await until(pilot, lambda: bool(asked))
        assert asked == [("adapter", run.path / "exports" / "adapter")]
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        tabs = app.screen_stack[-1].query_one(PanelTabs)
        await until(pilot, lambda: tabs.active == 2)  # the log, which tells how it goes
        log = EventWriter(run.export)
        for _ in range(400):  # exports before it: more than one poll reads
            log.append(LogWritten(level="info", text="x" * 400))
        log.append(ExportEnded(export_id="x1", form="adapter", path="/there", reason="No room.", advice="Make some."))
        log.close()
        process.status = 1
        await until(pilot, lambda: "The export has failed: No room. Make some." in shown(app))


async def test_x_ends_the_export_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    run, process = stopped_run(), FakeProcess()
    write_safetensors(run.adapter / "adapter_model.safetensors")
    (run.adapter / "adapter_config.json").write_text("{}")
    monkeypatch.setattr(exporting, "start_export", lambda *_, **__: ("x1", process))
    async with flown(open_run=run) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "export" in shown(app))
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ExportDialog))
        await pilot.press("enter")
        await until(pilot, lambda: is_at(app, "LiveScreen") and "x end export" in bar(app))
        assert "x export" not in bar(app)
        await pilot.press("x")
        await until(pilot, lambda: f"An export of {run.id} is under way." in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        assert process.poll() is None, "the first answer changes nothing"
        await pilot.press("x")
        await until(pilot, lambda: f"An export of {run.id} is under way." in shown(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "The export has ended; nothing of it is left behind." in shown(app))
        assert process.poll() == -15
        await until(pilot, lambda: "x export" in bar(app) and "end export" not in bar(app))
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ExportDialog))


async def test_an_export_from_the_chat_tells_the_keys_that_work_there(monkeypatch: pytest.MonkeyPatch) -> None:
    run = stopped_run()
    write_safetensors(run.adapter / "adapter_model.safetensors")
    (run.adapter / "adapter_config.json").write_text("{}")
    monkeypatch.setattr(exporting, "start_export", lambda *_, **__: ("x1", FakeProcess()))
    async with flown(open_run=run) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "chat" in shown(app))
        await pilot.press("c")
        await until(pilot, lambda: is_at(app, "ChatScreen"))
        await pilot.press("f8")
        await until(pilot, lambda: isinstance(app.screen, ExportDialog))
        await pilot.press("enter")
        await until(pilot, lambda: "Exporting as adapter" in shown(app))
        assert "(esc)" in shown(app) and "F8 ends it" in shown(app)
        await until(pilot, lambda: "F8 end export" in bar(app))
        await pilot.press("f8")
        await until(pilot, lambda: f"An export of {run.id} is under way." in shown(app))


async def test_an_engine_that_compiles_can_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    run, aborted = record(runs_folder(), run_id="demo-1120-2349", ending="going"), []
    monkeypatch.setattr(RunDir, "liveness", lambda self: "alive")
    monkeypatch.setattr("cockpit.ui.runs.session.abort_run", lambda run, step: aborted.append(run))
    log = EventWriter(run.events)
    log.append(PhaseStarted(phase="compiling"))
    log.close()
    async with flown(open_run=run) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "stop and save" in shown(app))
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        assert "cannot be interrupted" in " ".join(shown(app).split())
        await pilot.press("enter")
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        assert [type(command) for command in run.take_commands()] == [Stop]
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("right", "enter")
        await until(pilot, lambda: bool(aborted))
        assert aborted == [run]


def test_an_engine_on_another_machine_is_not_ended_from_here(tmp_path: Path) -> None:
    run = record(tmp_path, ending="silent")
    with pytest.raises(ValueError, match="runs on another machine; end it there"):
        abort_run(run, 3)
    own = record(tmp_path, run_id="own")
    with pytest.raises(ValueError, match="a thread of this very program"):
        abort_run(own, 3)
    assert not any(isinstance(event, RunEnded) for event in _events(run))


def _events(run: RunDir) -> list[Any]:
    from cockpit.protocol.event_log import EventReader

    return list(EventReader(run.events).poll())


async def test_e_in_the_list_of_runs_opens_that_runs_recipe() -> None:
    record(runs_folder(), run_id="mine-1120-2349", ending="failed", until=3)
    before = (runs_folder() / "mine-1120-2349" / "recipe.yaml").read_text()
    async with flown() as (app, pilot):
        await until(pilot, lambda: "mine-1120-2349" in shown(app))
        app.screen.query_one(RunList).focus()
        await pilot.pause()
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, EditorScreen))
        assert isinstance(app.screen, EditorScreen)
        document = app.screen.draft.document
        assert (document.name, document.path, document.changed_fields()) == ("demo", None, [])
        assert document.to_yaml() == before


@pytest.mark.parametrize("is_valid", [True, False])
async def test_e_on_a_run_from_elsewhere_does_not_take_over_that_code_runs(is_valid: bool) -> None:
    run = record(runs_folder(), run_id="theirs-1120-2349", ending="failed", until=3)
    asked = run.recipe.read_text().replace(
        "  max_seq_length: 128\n", "  max_seq_length: 128\n  trust_remote_code: true\n"
    )
    run.recipe.write_text(asked if is_valid else asked.replace("max_steps: 300", "max_steps: none"))
    async with flown(size=(100, 40)) as (app, pilot):
        await until(pilot, lambda: "theirs-1120-2349" in shown(app))
        app.screen.query_one(RunList).focus()
        await pilot.pause()
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, EditorScreen))
        assert isinstance(app.screen, EditorScreen)
        assert app.screen.draft.document.value("model.trust_remote_code") is False
        await until(pilot, lambda: "was made elsewhere" in shown(app))


async def test_opening_a_run_from_elsewhere_says_what_is_off() -> None:
    run = record(runs_folder(), run_id="theirs-1120-2349")
    asked = "  max_seq_length: 128\n  trust_remote_code: true\n"
    run.recipe.write_text(run.recipe.read_text().replace("  max_seq_length: 128\n", asked))
    async with flown(open_run=run) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "was made elsewhere" in shown(app))
        assert app.session is not None and not app.session.recipe.model.trust_remote_code
