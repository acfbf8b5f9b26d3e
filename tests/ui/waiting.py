"""Waiting for what the app does, and keys that are typed ahead of it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from textual.color import Color
from textual.events import Key
from textual.pilot import Pilot
from textual.renderables.background_screen import BackgroundScreen

from tests.ui.quiet import settle

WITHIN_S = 120.0
"""Nothing takes so long, on whichever machine: a test that fails gives its reason before pytest ends it."""
SETTLES_WITHIN_S = 0.5
"""A worker that never rests does not keep what is waited for from being looked at."""
NAMES = {".": "full_stop", "-": "minus", "_": "underscore", "/": "slash", " ": "space"}


async def until(pilot: Pilot[Any], holds: Callable[[], object], seconds: float = WITHIN_S) -> None:
    """Wait until `holds()`, in the app's own time."""
    give_up_at = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up_at, (
            f"It did not come to pass in {seconds:.0f} s; the screen:\n{_screen(pilot)}"
        )
        await asyncio.sleep(0.01)
        await settle(pilot.app, SETTLES_WITHIN_S)


def _screen(pilot: Pilot[Any]) -> str:
    """What a failure shows of the app: its screen, the focus, what is still at work."""
    app = pilot.app
    if not app.is_running:
        return f"none: the app has ended with {app.return_code}"
    drawn = app.console.render(BackgroundScreen(app.screen, Color(0, 0, 0, 0)))
    text = "".join(segment.text for segment in drawn if not segment.control)
    working = [worker.name or worker.description for worker in app.workers if worker.is_running]
    return f"{text}\n{app.screen!r}, focus: {app.focused!r}, workers: {working}"


async def resized(pilot: Pilot[Any], width: int, height: int) -> None:
    """The terminal has this size, and the screen is laid out anew: Textual takes a size in by a timer."""
    await pilot.resize_terminal(width, height)
    await until(pilot, lambda: pilot.app.screen.region.size == (width, height))
    await pilot.pause()


def ahead(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys without waiting for what each of them does, as who types fast: `pilot.press` waits 40 ms for each."""
    for key in keys:
        pilot.app.post_message(Key(NAMES.get(key, key), key if len(key) == 1 else None))


async def type_text(pilot: Pilot[Any], text: str) -> None:
    """Type it; when this returns the app has taken it in."""
    ahead(pilot, *text[:-1])
    await pilot.press(NAMES.get(text[-1], text[-1]))
    await until(pilot, lambda: not getattr(pilot.app, "is_answering", False))
    await pilot.pause()
