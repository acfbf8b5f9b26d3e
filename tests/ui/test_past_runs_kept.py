"""In the app: a run is removed once the person has said so; a run is played again."""

from __future__ import annotations

import msgspec

from cockpit.paths import runs_folder
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.ui.screens.dialog import Dialog
from cockpit.ui.widgets.run_list import RunList
from tests.recording import Ending, record
from tests.ui.engines import flown, is_at, shown
from tests.ui.waiting import until


def past(ending: Ending = "completed") -> RunDir:
    run = record(runs_folder(), ending=ending, until=None if ending == "completed" else 20, steps=20)
    if ending != "going":
        run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), pid=2**22 + 1))
    return run


async def test_a_run_is_removed_when_the_person_says_so() -> None:
    run = past()
    async with flown() as (app, pilot):
        await until(pilot, lambda: is_at(app, "RecipesScreen") and app.screen.query_one(RunList).option_count == 1)
        app.screen.query_one(RunList).focus()
        await pilot.press("delete")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        assert "removed for good" in " ".join(shown(app).split())
        await pilot.press("enter")  # what stands first keeps it
        await until(pilot, lambda: is_at(app, "RecipesScreen"))
        assert run.path.exists()
        await pilot.press("delete")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: not run.path.exists())
        await until(pilot, lambda: is_at(app, "RecipesScreen") and "none yet" in shown(app))


async def test_a_live_one_is_not() -> None:
    run = past("going")
    async with flown() as (app, pilot):
        await until(pilot, lambda: is_at(app, "RecipesScreen") and app.screen.query_one(RunList).option_count == 1)
        app.screen.query_one(RunList).focus()
        await pilot.press("delete")
        await until(pilot, lambda: "is still going" in " ".join(shown(app).split()))
        assert run.path.exists() and not isinstance(app.screen, Dialog)


async def test_a_run_is_played_again() -> None:
    async with flown(open_run=past(), replay_speed=1e9) as (app, pilot):
        await until(pilot, lambda: is_at(app, "LiveScreen") and "20/20" in shown(app))
        assert app.session is not None and app.session.is_recording
