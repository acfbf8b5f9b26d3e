"""Several replies at the same time from one copy of the model: a stretch of one, then of the next, each as if alone"""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import torch

from cockpit.engine.chat.replies import Chatter
from cockpit.engine.compat.decode_buffers import put_back, take_out
from cockpit.engine.controls import Controls
from cockpit.protocol.commands import Chat, ChatBoth

STRETCH_S = 0.05
"""How long one of them is drawn before the next one is: what is written of a reply to the log comes as seldom."""


class SideBySide:
    """Answers ChatBoth with a loaded model."""

    def __init__(self, chatter: Chatter, controls: Controls) -> None:
        self._chatter = chatter
        self._controls = controls

    def answer(self, asked: ChatBoth, *, trains: bool = False) -> None:
        """Answer all of its chats. What goes wrong ends a reply, not the engine. `trains` as for Chatter.reply."""
        seed = random.randrange(2**31)
        turns = Turns(len(asked.chats))
        threads = [
            threading.Thread(
                target=self._answer_one, args=(at, _seeded(chat, seed), turns, asked.id, trains), name=chat.id
            )
            for at, chat in enumerate(asked.chats)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _answer_one(self, me: int, chat: Chat, turns: Turns, command_id: str, trains: bool) -> None:
        turns.wait(me)
        begun = time.monotonic()

        def between() -> None:
            nonlocal begun
            if time.monotonic() - begun < STRETCH_S or not turns.is_shared:
                return
            kept = _Kept.of(self._chatter.loaded.model)
            turns.pass_on(me)
            kept.restore(self._chatter.loaded.model)
            begun = time.monotonic()

        try:
            with suppress(OSError):  # the log takes no more; the engine's own thread tells of that
                self._chatter.answer(chat, between, command_id, trains=trains)
        finally:
            turns.leave(me)


class Turns:
    """Who of several threads may go on: one at a time, in turn."""

    def __init__(self, count: int) -> None:
        self._left = list(range(count))
        self._now = 0
        self._changed = threading.Condition()

    @property
    def is_shared(self) -> bool:
        """Whether there is anybody else to go on."""
        return len(self._left) > 1

    def wait(self, me: int) -> None:
        """Until it is my turn."""
        with self._changed:
            self._changed.wait_for(lambda: self._now == me)

    def pass_on(self, me: int) -> None:
        """It is the next one's turn; wait for mine."""
        with self._changed:
            self._next(me)
            self._changed.wait_for(lambda: self._now == me)

    def leave(self, me: int) -> None:
        """I have no more to do."""
        with self._changed:
            self._next(me)
            self._left.remove(me)

    def _next(self, me: int) -> None:
        self._now = self._left[(self._left.index(me) + 1) % len(self._left)]
        self._changed.notify_all()


@dataclass(frozen=True)
class _Kept:
    """What a reply has in places that all replies share: random numbers, and Unsloth's keys and values."""

    cpu: torch.Tensor
    gpu: torch.Tensor | None
    buffers: list[Any]

    @classmethod
    def of(cls, model: Any) -> _Kept:
        """Taken out of there."""
        gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
        return cls(torch.get_rng_state(), gpu, take_out(model))

    def restore(self, model: Any) -> None:
        """Put back there; what another reply has left goes."""
        take_out(model)
        put_back(self.buffers)
        torch.set_rng_state(self.cpu)
        if self.gpu is not None:
            torch.cuda.set_rng_state(self.gpu)


def _seeded(chat: Chat, seed: int) -> Chat:
    return chat if chat.seed is not None or not chat.do_sample else msgspec.structs.replace(chat, seed=seed)
