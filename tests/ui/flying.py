"""Steps of a flight through the whole app."""

from typing import Any

from textual.pilot import Pilot

from cockpit.ui.app import CockpitApp
from tests.ui.engines import is_at
from tests.ui.waiting import until


def place(app: CockpitApp) -> str:
    return type(app.screen).__name__


async def started(app: CockpitApp, pilot: Pilot[Any]) -> None:
    await pilot.press("enter")
    await until(pilot, lambda: is_at(app, "LiveScreen"))


async def polled(app: CockpitApp, pilot: Pilot[Any], times: int = 4) -> None:
    """Wait until the app has looked at its engine a few times more."""
    seen: list[object] = []
    app.set_interval(0.05, lambda: seen.append(None))
    await until(pilot, lambda: len(seen) > 2 * times)
