"""Keys typed ahead: each is handed on once all that the key before it has set off is done, a move of the focus too."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

from textual import events
from textual.dom import DOMNode

from cockpit.ui.late_work import LateWork

ROUNDS = 2
"""Ways up through the queues: a key is answered in the first, the messages of its answer arrive in the second."""
OPENING_EVERY_S = 0.01
"""Between two looks at a screen that is opening."""
STUCK_AFTER_S = 2.0
"""A widget that takes longer over a key does not keep the next one, with which it may be left."""
FREE_FOR_S = 0.2
"""The app itself may have been held up, by an import or by others on its machine: it gets this long to move on."""
OPENS_WITHIN_S = 10.0
"""A screen that takes longer gets its keys all the same: one of them may leave it."""


class TypedAhead(LateWork):
    """An app that takes keys one after another.

    Textual puts a key into the queue of the widget that has the focus, and its answer, where that is a binding, is
    given once the key has come up through the queues of all widgets around it. Keys that arrive in one burst, as on a
    slow line, would all be in the first widget's queue by then.

    A screen that is not ready for keys yet has an attribute `is_opening` that is true.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._typed: deque[events.Event] = deque()
        self._is_held = False
        self._moved_at = 0.0
        self.typed_at = float("-inf")
        """When the last key was handed on, in the time of time.monotonic()."""
        self._keys = 0
        self._opening: DOMNode | None = None
        self._opening_since = 0.0

    @property
    def is_answering(self) -> bool:
        """Whether a key is being answered, and others may wait for it."""
        return self._is_held

    async def on_event(self, event: events.Event) -> None:
        """Hold what is typed, pasted or clicked while a key is being answered."""
        is_typed = isinstance(event, events.Key | events.Paste)
        if event.is_forwarded or not (is_typed or isinstance(event, events.InputEvent)):
            await super().on_event(event)
            return
        self._typed.append(event)
        if not self._is_held:
            await self._hand_on()
        elif time.monotonic() - self._moved_at > STUCK_AFTER_S:
            self.set_timer(FREE_FOR_S, partial(self._hand_on_if_stuck, self._keys, self._moved_at))

    async def _hand_on_if_stuck(self, key: int, moved_at: float) -> None:
        """Hand on what waits for this key where nothing has moved since."""
        if self._is_held and (key, moved_at) == (self._keys, self._moved_at):
            await self._hand_on()

    async def _hand_on(self) -> None:
        """Give out what was typed up to the next key, that key with it."""
        self._is_held = False
        while self._typed and not self._is_held:
            event = self._typed.popleft()
            if isinstance(event, events.Key | events.Paste):
                self._is_held, self._keys, self._moved_at = True, self._keys + 1, time.monotonic()
                self.typed_at = self._moved_at
                key, screen, path = self._keys, self.screen, self._path()
                await super().on_event(event)
                self._go_up(path, screen, ROUNDS, key)
            else:
                await super().on_event(event)

    def _path(self) -> list[DOMNode]:
        return (self.focused or self.screen).ancestors_with_self

    def _go_up(self, path: Sequence[DOMNode], screen: DOMNode, rounds: int, key: int) -> None:
        """Go through the queues of `path`, the app's being the last, behind the key and all that it has put there."""
        if key != self._keys:  # it was stuck, and the next key is out already
            return
        self._moved_at = time.monotonic()
        for at, node in enumerate(path):
            if node is not self and node.call_later(self._go_up, path[at + 1 :], screen, rounds, key):
                return
        self.call_later(self._has_come_up, screen, rounds - 1, key)

    async def _has_come_up(self, screen: DOMNode, rounds: int, key: int) -> None:
        if key != self._keys:
            return
        if self._is_opening():
            self._moved_at = time.monotonic()
            self.set_timer(OPENING_EVERY_S, lambda: self._has_come_up(screen, ROUNDS, key))
        elif self.screen is not screen:
            self._go_up(self._path(), self.screen, ROUNDS, key)
        elif rounds:
            self._go_up(self._path(), screen, rounds, key)
        else:
            await self._hand_on()

    def _is_opening(self) -> bool:
        """Whether the screen is opening, and has not been for too long."""
        if not getattr(self.screen, "is_opening", False):
            self._opening = None
            return False
        if self._opening is not self.screen:
            self._opening, self._opening_since = self.screen, time.monotonic()
        return time.monotonic() - self._opening_since < OPENS_WITHIN_S
