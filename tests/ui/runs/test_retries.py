"""A run that has failed, tried again from its screen: with less memory, after an edit, with its log read first."""

import msgspec
import pytest

from cockpit.paths import runs_folder
from cockpit.protocol import events as ev
from cockpit.protocol.event_log import EventWriter
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.relief import reliefs
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.ui.runs.retries import named_field
from cockpit.ui.screens.editor import EditorScreen
from cockpit.ui.screens.engine_log import EngineLogPane, EngineLogScreen
from cockpit.ui.widgets.outcome_card import OutcomeCard
from cockpit.ui.widgets.recipe_form import RecipeForm
from tests.recording import RECIPE, Ending, record
from tests.runs.complete_checkpoint import write_checkpoint
from tests.ui.drawn import all_text, text_of
from tests.ui.engines import FakeEngines, flown, is_at, shown
from tests.ui.waiting import type_text, until


def ended_run(ending: Ending, *checkpoints: int) -> RunDir:
    run = record(runs_folder(), until=20, ending=ending)
    run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), pid=2**22 + 1))
    run.engine_log.write_text("Loading\nTraceback (most recent call last):\n  in f\nValueError: no answer\n")
    log = EventWriter(run.events)
    for step in checkpoints:
        write_checkpoint(run.checkpoints, step)
        log.append(ev.CheckpointSaved(step=step, path=f"checkpoints/checkpoint-{step}", size_bytes=10))
    if ending == "out_of_memory":
        ways = reliefs(RecipeDocument.parse(RECIPE, "recipe.yaml").recipe())
        relaunches = tuple(ev.Relaunch(**way._asdict()) for way in ways)
        log.append(ev.RunEnded(outcome=ending, step=20, reason="Memory ran out.", relaunches=relaunches))
    log.close()
    return run


@pytest.mark.parametrize("checkpoints", [(10,), ()])
async def test_one_key_launches_a_run_again_that_ran_out_of_memory(checkpoints: tuple[int, ...]) -> None:
    engines = FakeEngines()
    async with flown(open_run=ended_run("out_of_memory", *checkpoints), engines=engines) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "relaunch" in shown(app))
        where = "it goes on after step 10" if checkpoints else "it begins anew"
        assert f"h  relaunch: 8 rows at once, as many a step; {where}" in shown(app)
        await pilot.press("h")
        verb = "resume demo" if checkpoints else "train demo"
        await until(pilot, lambda: any(said.startswith(verb) for said in engines.said))
        text = engines.started[-1].recipe_text
        assert "per_device_train_batch_size: 8" in text and "gradient_accumulation_steps: 2" in text
        await until(pilot, lambda: app.session is not None and app.session.is_engine_ours)


async def test_a_failed_run_is_edited_at_the_field_that_its_end_names() -> None:
    async with flown(open_run=ended_run("failed")) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "edit and retry" in shown(app))
        await pilot.press("h")
        row = next(at for at, line in enumerate(text_of(app.screen.query_one(OutcomeCard))) if line.startswith("e  "))
        await pilot.click(OutcomeCard, offset=(2, row + 1))
        await until(pilot, lambda: is_at(app, "EditorScreen"))
        assert isinstance(app.screen, EditorScreen) and app.screen.draft.document.name == "demo"
        await until(pilot, lambda: app.screen.query_one(RecipeForm).focused_path == "data.on_bad_row")


async def test_the_engines_log_is_read_searched_and_copied() -> None:
    async with flown(open_run=ended_run("failed")) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "edit and retry" in shown(app))
        await pilot.press("o")
        await until(pilot, lambda: is_at(app, "EngineLogScreen"))
        assert isinstance(app.screen, EngineLogScreen)
        pane = app.screen.query_one(EngineLogPane)
        await until(pilot, lambda: "✗   in f" in all_text(pane) and "Loading" in all_text(pane))
        await pilot.press("v", "slash")
        await type_text(pilot, "ANSWER")
        await until(pilot, lambda: "1 of 1 lines with 'answer'" in shown(app))
        await pilot.press("enter", "y")
        assert app.clipboard == "Traceback (most recent call last):\n  in f\nValueError: no answer"
        await pilot.press("escape", "escape")
        await until(pilot, lambda: is_at(app, "LiveScreen"))


def test_the_first_field_of_a_recipe_that_a_sentence_names() -> None:
    assert named_field("Row 8 of rows.jsonl: set data.on_bad_row to skip, or training.max_steps.") == "data.on_bad_row"
    assert named_field("recipe.yaml: lora.r: too large") == "lora.r"
    assert named_field("The disk is full.") == ""
