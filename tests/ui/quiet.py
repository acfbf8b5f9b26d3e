"""When an app under test has answered: nothing is left in its loop, in its widgets' queues or to be drawn.

Textual's pilot guesses it by the CPU: a process that has used less than a millisecond in twenty counts as idle. On a
busy machine that is also one that was not given the core, and a test would look before the answer is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from textual._context import active_app
from textual.app import App
from textual.message_pump import MessagePump
from textual.screen import Screen

BUSY_FOR_S = 20.0
"""A widget that waits this long for a thread or a process is waited for no longer."""
LOOK_EVERY_S = 0.002
ROUNDS = 3
"""Rounds of the loop with nothing to do, one after another: a key takes two from the driver to the app."""


async def until_quiet(min_sleep: float = 0.0, max_sleep: float = BUSY_FOR_S) -> None:
    """Wait until the app has done all that it can do at present; a timer and a worker's thread may still be running.

    It stands in the place of `textual._wait.wait_for_idle`, whose times it does not need.
    """
    app, give_up_at = active_app.get(), time.monotonic() + BUSY_FOR_S
    await settle(app, BUSY_FOR_S)
    while app.is_running and any(map(_is_busy, (app, *app._registry))) and time.monotonic() < give_up_at:
        await asyncio.sleep(LOOK_EVERY_S)
        await settle(app, BUSY_FOR_S)


async def settle(app: App[Any], seconds: float) -> None:
    """Wait until the app's loop has nothing to do and its screen is drawn, `seconds` at most; a widget may still be
    answering, where it waits for something."""
    loop, give_up_at, quiet = asyncio.get_running_loop(), time.monotonic() + seconds, 0
    while quiet < ROUNDS and time.monotonic() < give_up_at:
        await asyncio.sleep(0)
        if loop._ready:  # type: ignore[attr-defined]  # what is to be run in this round, without this task
            quiet = 0
        elif app.is_running and _has_to_draw(screen := app.screen):
            quiet = 0
            screen._on_timer_update()  # as the pilot does: a sixtieth of a second early
        else:
            quiet += 1


def _is_busy(pump: MessagePump) -> bool:
    """Whether it is answering a message, or has yet to: else its task waits for the next one. A Textual whose queues
    are made otherwise is not asked."""
    task, ready = pump._task, getattr(pump._message_queue, "ready_event", None)
    waiters: Iterable[asyncio.Future[bool]] | None = getattr(ready, "_waiters", None)
    if task is None or task.done() or waiters is None:
        return False
    return bool(pump.message_queue_size) or all(waiter.done() for waiter in waiters)


def _has_to_draw(screen: Screen[Any]) -> bool:
    app = screen.app
    return (
        screen.is_current
        and not app._batch_count
        and bool(
            screen._layout_required
            or screen._scroll_required
            or screen._repaint_required
            or screen._recompose_required
            or screen._dirty_widgets
            or screen._callbacks
        )
    )
