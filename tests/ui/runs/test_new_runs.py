"""The app and its engines: the standby, starting, models of runs that have ended."""

from typing import Any

import pytest
from textual.pilot import Pilot

from cockpit.machine.gpu import GpuReport
from cockpit.paths import runs_folder, user_recipes_folder
from cockpit.protocol import events as ev
from cockpit.protocol.commands import Unload
from cockpit.ui.app import CockpitApp
from cockpit.ui.screens.dialog import Dialog
from tests.recording import record
from tests.ui.engines import TWO_GPUS, FakeEngines, FakeLink, FakeProbe, flown, is_at, shown, write_recipe
from tests.ui.flying import place, polled, started
from tests.ui.waiting import until

OTHER_BACKEND = {
    "method: sft": "method: sft\nbackend: transformers",
    "max_steps: 300": "max_steps: 300\n  gradient_checkpointing: none",
}


# The standby


async def test_a_standby_warms_for_the_marked_recipe_and_takes_the_run() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        await started(app, pilot)
        assert engines.said == ["standby unsloth driverless = 1", "train demo on 1"]
        assert "schema: 1" in engines.started[0].recipe_text


async def test_the_header_says_what_the_engine_does() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: "engine warming up" in shown(app))
        assert "CPU only, no NVIDIA driver" in shown(app)
        link = engines.started[0].link
        link.events = [
            ev.EngineStarted(pid=123, host="here", backend="unsloth"),
            ev.PhaseStarted(phase="importing", detail="transformers"),
            ev.PhaseProgressed(phase="importing", done=2, total=5, unit="packages"),
        ]
        await until(pilot, lambda: "▰▰▱▱▱ transformers" in shown(app))
        link.events = [ev.PhaseStarted(phase="standby")]
        await until(pilot, lambda: "engine warm (pid 123)" in shown(app))


async def test_what_the_warm_engine_holds_of_the_gpu_is_told() -> None:
    engines = FakeEngines()
    async with flown((160, 40), engines=engines, probe=FakeProbe(TWO_GPUS), recipe="mine") as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        gpu = ev.GpuReading(index=0, uuid="GPU-1", name="NVIDIA H200", vram_this_run_mib=0.0)
        reading = ev.MachineRead(step=0, gpus=[gpu], cpu_percent=1, rss_mib=1, ram_used_mib=1, ram_total_mib=1)
        engines.started[0].link.events = [
            ev.EngineStarted(pid=9, host="here", backend="unsloth"),
            ev.PhaseStarted(phase="standby"),
            reading,
        ]
        await until(pilot, lambda: "engine warm (pid 9, holds 0 MiB of GPU)" in shown(app))


async def test_an_edit_that_changes_the_key_replaces_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.ui.runs.standby.SETTLED_AFTER_S", 0.0)
    write_recipe(user_recipes_folder(), "mine", **OTHER_BACKEND)
    engines = FakeEngines()
    async with flown(engines=engines, recipe="demo") as (app, pilot):
        await until(pilot, lambda: len(engines.started) == 1)
        await pilot.press("home")
        await until(pilot, lambda: len(engines.started) == 2)
        assert engines.said == [
            "standby unsloth driverless = 1",
            "dismiss 1",
            "standby transformers driverless = 2",
        ]
        await until(pilot, lambda: "for backend transformers" in shown(app))


async def test_passing_over_a_recipe_replaces_nothing() -> None:
    write_recipe(user_recipes_folder(), "mine", **OTHER_BACKEND)
    engines = FakeEngines()
    async with flown(engines=engines, recipe="demo") as (_, pilot):
        await until(pilot, lambda: len(engines.started) == 1)
        await pilot.press("home", "down")
        polls = engines.started[0].link.polls
        await until(pilot, lambda: engines.started[0].link.polls > polls + 3)
        assert len(engines.started) == 1


async def test_an_engine_that_dies_is_told_and_not_started_again_and_again() -> None:
    engines = FakeEngines()
    async with flown((160, 40), engines=engines) as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        engines.started[0].link.events = [ev.EngineExited(reason="unsloth cannot be imported.")]
        engines.started[0].process.status = 1
        await until(pilot, lambda: "engine: unsloth cannot be imported." in shown(app))
        await polled(app, pilot)
        assert len(engines.started) == 1
        await started(app, pilot)
        assert engines.said[1:] == ["engine unsloth driverless = 2", "train demo on 2"]


async def left_training(app: CockpitApp, pilot: Pilot[Any], engines: FakeEngines) -> None:
    """Back at the recipes, with a run that trains."""
    await until(pilot, lambda: bool(engines.started))
    await started(app, pilot)
    await pilot.press("escape")
    await until(pilot, lambda: is_at(app, "RecipesScreen"))


async def test_no_standby_while_a_run_trains_and_a_new_one_after_it() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await left_training(app, pilot, engines)
        await polled(app, pilot)
        assert len(engines.started) == 1
        engines.started[0].link.events = [ev.RunEnded(outcome="completed", step=1)]
        await until(pilot, lambda: len(engines.started) == 2)


async def test_start_waits_for_the_driver_to_answer() -> None:
    engines, probe = FakeEngines(), FakeProbe(None)
    async with flown(engines=engines, probe=probe) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "Waiting for the GPU driver" in shown(app))
        assert engines.started == []
        probe.report = GpuReport()
        await until(pilot, lambda: is_at(app, "LiveScreen"))


async def test_a_driver_that_fails_is_told() -> None:
    report = GpuReport(problem="The NVIDIA driver has not answered for 5 s.")
    async with flown((160, 40), probe=FakeProbe(report)) as (app, pilot):
        await until(pilot, lambda: "The NVIDIA driver has not answered" in shown(app))


# Starting


async def test_what_cannot_work_here_is_said_and_not_started() -> None:
    write_recipe(user_recipes_folder(), "mine", **{"embedded:demo": "/nowhere/model"})
    engines = FakeEngines()
    async with flown(engines=engines, recipe="mine") as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        assert "model.name_or_path" in shown(app)
        await pilot.press("right", "enter")
        await until(pilot, lambda: is_at(app, "EditorScreen"))
        assert not any(said.startswith("train") for said in engines.said)


async def test_a_full_disk_is_said() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        engines.started[0].refuses = OSError(28, "No space left on device")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        assert "Runs cannot be written to" in shown(app)


async def test_another_run_beside_one_is_asked_for() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await left_training(app, pilot, engines)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        assert "still training" in shown(app)
        await pilot.press("right", "enter")
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        assert engines.said[-2:] == ["engine unsloth driverless = 2", "train demo on 2"]


async def test_a_run_is_opened_at_launch() -> None:
    run = record(runs_folder(), run_id="demo-1120-2349")
    async with flown(open_run=run) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen"))
        await until(pilot, lambda: "demo" in shown(app))


async def test_a_run_without_a_readable_recipe_is_said() -> None:
    run = record(runs_folder(), run_id="demo-1120-2349")
    run.recipe.write_text("schema: 9\n")
    async with flown(open_run=run) as (app, pilot):
        await until(pilot, lambda: "recipe.yaml" in shown(app))
        assert place(app) == "RecipesScreen"


async def test_an_engine_that_refuses_its_run_is_ended_and_another_warms_up() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        await started(app, pilot)
        refusal = ev.CommandAnswered(command_id="a", accepted=False, text="The run's folder cannot be made.")
        engines.started[0].link.events = [ev.EngineStarted(pid=1, host="here", backend="unsloth"), refusal]
        await until(pilot, lambda: "The run's folder cannot be made." in shown(app))
        await until(pilot, lambda: engines.said[-1] == "dismiss 1")
        await pilot.press("escape")
        await until(pilot, lambda: len(engines.started) == 2)


# Models of runs that have ended


async def ended(app: CockpitApp, pilot: Pilot[Any], link: FakeLink) -> None:
    """The run ends before the eyes of whoever watches; back at the recipes."""
    link.events = [ev.RunEnded(outcome="failed", step=1)]
    await until(pilot, lambda: app.session is not None and app.session.is_over)
    await pilot.press("escape")
    await until(pilot, lambda: is_at(app, "RecipesScreen"))


async def test_an_ended_run_keeps_its_model_until_another_starts() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        await started(app, pilot)
        link = engines.started[0].link
        await ended(app, pilot, link)
        await polled(app, pilot)
        assert link.sent == []
        await started(app, pilot)
        assert [type(command) for command in link.sent] == [Unload]
        assert engines.started[-1].link.sent == []


async def test_a_run_that_ended_unseen_lets_its_model_go_too() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        await started(app, pilot)
        first = engines.started[0].link
        app.open_run(record(runs_folder(), run_id="demo-1120-2349"))
        await until(pilot, lambda: app.session is not None and app.session.is_over)
        await pilot.press("escape")
        await until(pilot, lambda: is_at(app, "RecipesScreen"))
        first.run = record(runs_folder(), run_id="demo-1120-2350")
        await started(app, pilot)
        assert [type(command) for command in first.sent] == [Unload]


async def test_an_ended_run_that_no_screen_shows_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.ui.app.LOOK_EVERY", 1)
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        await started(app, pilot)
        link = engines.started[0].link
        await ended(app, pilot, link)
        polls = link.polls
        await polled(app, pilot)
        assert link.polls == polls


async def test_quit_lets_the_model_of_an_ended_run_go() -> None:
    engines = FakeEngines()
    async with flown(engines=engines) as (app, pilot):
        await until(pilot, lambda: bool(engines.started))
        await started(app, pilot)
        await ended(app, pilot, engines.started[0].link)
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)
    assert [type(command) for command in engines.started[0].link.sent] == [Unload]


async def test_quit_leaves_the_engine_of_somebody_else_alone() -> None:
    run = record(runs_folder(), run_id="demo-1120-2349")
    async with flown(open_run=run) as (app, pilot):
        await until(pilot, lambda: app.session is not None and app.session.can_chat)
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)
    assert run.take_commands() == []
