"""What readers have asked of the worker thread, in a form that it can look at between micro-steps."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import Literal

from cockpit.engine.errors import Stopped
from cockpit.protocol.commands import Chat, Train


class Controls:
    """Given by the engine's main thread, looked at by its worker."""

    def __init__(self) -> None:
        self.stop: Literal["save", "drop"] | None = None
        """Finish the step and save, or drop it."""
        self.work: queue.Queue[Train | Chat | None] = queue.Queue()
        """What to do next; None ends the worker."""
        self._lock = threading.Lock()
        self._stopped_replies: set[str] = set()
        self._leaving = False

    def ask_stop(self, save: bool) -> bool:
        """Stop training; a later `save=False` overrules an earlier `save=True`, never the other way round. Whether this
        is more than was asked for before."""
        before = self.stop
        if self.stop != "drop":
            self.stop = "save" if save else "drop"
        return self.stop != before

    def leave(self) -> None:
        """End the worker once it has nothing left to finish; a reply in the making is ended."""
        self._leaving = True
        self.work.put(None)

    def unanswered(self) -> list[Chat]:
        """The Chats that the worker, which has ended, has left; each is given out once."""
        left: list[Chat] = []
        with contextlib.suppress(queue.Empty):
            while True:
                job = self.work.get_nowait()
                left += [job] if isinstance(job, Chat) else []
        return left

    def end_reply(self, chat_id: str) -> None:
        """End the reply to this Chat, begun or not."""
        with self._lock:
            self._stopped_replies.add(chat_id)

    @property
    def leaving(self) -> bool:
        """Whether the worker is to end."""
        return self._leaving

    def is_reply_ended(self, chat_id: str) -> bool:
        """Whether the reply to this Chat is to end where it stands."""
        with self._lock:
            return self._leaving or chat_id in self._stopped_replies

    def stop_if_asked(self) -> None:
        """Raises Stopped where a Stop was asked for."""
        if self.stop is not None:
            raise Stopped
