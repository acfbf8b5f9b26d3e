"""Waiting for what the app does, and keys that are typed ahead of it."""

from collections.abc import Callable
from typing import Any

from textual.events import Key
from textual.pilot import Pilot

NAMES = {".": "full_stop", "-": "minus", "_": "underscore", "/": "slash", " ": "space"}


async def until(pilot: Pilot[Any], holds: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until `holds()`, in the app's own time."""
    for _ in range(round(seconds / 0.01)):
        if holds():
            return
        await pilot.pause(0.01)
    raise AssertionError("It did not come to pass.")


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
