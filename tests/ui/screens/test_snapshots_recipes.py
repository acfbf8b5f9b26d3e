"""Pictures of the start screen and the editor at three sizes, over recipes and runs that never change."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from cockpit.paths import runs_folder
from cockpit.protocol import events as ev
from cockpit.ui.app import CockpitApp
from cockpit.ui.screens.editor import EditorScreen
from cockpit.ui.themes import LIGHT
from cockpit.ui.widgets.recipe_form import RecipeForm
from cockpit.ui.widgets.run_list import RunList
from cockpit.ui.widgets.schedule_preview import SchedulePreview
from tests.recording import BEGAN, record
from tests.ui.engines import TWO_GPUS, FakeEngines, FakeProbe, write_data, write_recipe
from tests.ui.waiting import until

SIZES = [(80, 24), (120, 40), (200, 50)]
Snap = Callable[..., bool]


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngines:
    """The library, the runs and the time of all pictures."""
    library = tmp_path / "library"
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path, rows=90)
    write_recipe(library, "demo", data="rows.jsonl", **{"max_steps: 300": "num_train_epochs: 20"})
    write_recipe(library, "gemma-3-4b-qlora-chat", **{"needs: CPU": "needs: 8 GiB", "1 min on 2 CPU cores": "50 min"})
    (library / "truncated.yaml").write_text("schema: [1\n")
    monkeypatch.setattr("cockpit.recipe.library.shipped_recipes_folder", lambda: library)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr("cockpit.ui.widgets.run_list.time.time", lambda: BEGAN + 7500)
    record(runs_folder(), run_id="demo-1120-2349")
    record(runs_folder(), run_id="demo-1120-2355", ending="failed", until=40)
    return FakeEngines()


async def warm(pilot: Pilot[Any], engines: FakeEngines) -> CockpitApp:
    """Everything read, the engine warm."""
    app = pilot.app
    assert isinstance(app, CockpitApp)
    await until(pilot, lambda: getattr(app.screen, "is_filled", False) and bool(engines.started))
    engines.started[0].link.events = [
        ev.EngineStarted(pid=4711, host="here", backend="unsloth"),
        ev.PhaseStarted(phase="standby"),
    ]
    await until(pilot, lambda: app.engine_status.stage == "warm")
    await until(pilot, lambda: all(worker.is_finished for worker in app.workers if worker.group == "judge"))
    await pilot.pause()
    return app


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_recipes(size: tuple[int, int], engines: FakeEngines, snap_compare: Snap) -> None:
    async def ready(pilot: Pilot[Any]) -> None:
        await warm(pilot, engines)

    app = CockpitApp(engines=engines, probe=FakeProbe(TWO_GPUS))
    assert snap_compare(app, terminal_size=size, run_before=ready)


@pytest.mark.parametrize("size", SIZES[:2], ids=lambda size: f"{size[0]}x{size[1]}")
def test_runs(size: tuple[int, int], engines: FakeEngines, snap_compare: Snap) -> None:
    async def ready(pilot: Pilot[Any]) -> None:
        pilot.app.theme = LIGHT.name
        app = await warm(pilot, engines)
        runs = app.screen.query_one(RunList)
        runs.focus()
        runs.highlighted = list(runs.row_ids()).index("demo-1120-2349")
        await until(pilot, lambda: app.screen.query_one("#course").has_class("-known"))
        await pilot.pause()

    app = CockpitApp(engines=engines, probe=FakeProbe(TWO_GPUS))
    assert snap_compare(app, terminal_size=size, run_before=ready)


async def edit(pilot: Pilot[Any], engines: FakeEngines) -> None:
    """A changed rank, and one that cannot be."""
    app = await warm(pilot, engines)
    await pilot.press("e")
    await until(pilot, lambda: isinstance(app.screen, EditorScreen))
    screen = app.screen
    assert isinstance(screen, EditorScreen)
    form = screen.query_one(RecipeForm)
    await until(pilot, lambda: form.focused_path is not None)
    await pilot.press("pagedown")
    await until(pilot, lambda: form.focused_path == "lora.r")
    await pilot.press("3", "2")
    await until(pilot, lambda: "512 k" in str(screen.query_one("#facts", Static).content))  # the last sound plan
    await pilot.press("down", "down", "2")
    await until(pilot, lambda: len(screen.draft.errors()) == 1)
    await pilot.press("up")
    await until(pilot, lambda: form.focused_path == "lora.lora_alpha")
    await until(pilot, lambda: screen.query_one(SchedulePreview).has_class("-stale"))
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_editor(size: tuple[int, int], engines: FakeEngines, snap_compare: Snap) -> None:
    async def ready(pilot: Pilot[Any]) -> None:
        await edit(pilot, engines)

    app = CockpitApp(engines=engines, probe=FakeProbe(TWO_GPUS))
    assert snap_compare(app, terminal_size=size, run_before=ready)


def test_editor_in_the_light_theme(engines: FakeEngines, snap_compare: Snap) -> None:
    async def ready(pilot: Pilot[Any]) -> None:
        pilot.app.theme = LIGHT.name
        await edit(pilot, engines)

    app = CockpitApp(engines=engines, probe=FakeProbe(TWO_GPUS))
    assert snap_compare(app, terminal_size=(120, 40), run_before=ready)
