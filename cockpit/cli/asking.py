"""Asker: puts questions to an engine and hands on what its replies grow by, until they are whole"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cockpit.cli.chat_target import Answering

if TYPE_CHECKING:
    from cockpit.protocol.commands import Chat
    from cockpit.protocol.events import AnyEvent, ReplyEnded
    from cockpit.runs.state import RunState

POLL_S = 0.03
LEFT = "The engine was ended before it had answered."
LEAVES_WITHIN_S = 30.0
"""How long an engine that answers no more takes to end."""


class Show(Protocol):
    """Where replies go as they come, by whether the adapter is on."""

    def waits(self, is_loaded: bool) -> None:
        """Nothing has come yet."""

    def notes(self, text: str) -> None:
        """What the engine says of the model."""

    def grew(self, adapter: bool, thinking: str, text: str) -> None:
        """A reply has grown by so much."""

    def ended(self, adapter: bool, end: ReplyEnded) -> None:
        """A reply is whole."""


class Unanswered(Exception):
    """There is no reply; the text says why."""


class EngineLeft(Exception):
    """An engine that somebody else had started was ended by them before it answered: another one can be asked."""


@dataclass
class _Asked:
    """A question that is under way."""

    chats: dict[str, Chat]
    show: Show
    left: set[str] = field(default_factory=set)
    """Replies that are not whole."""
    is_sent: bool = False
    is_shown: bool = False
    is_stopped: bool = False
    """Whether we have stopped it ourselves."""
    refusal: str = ""
    refused_at: float = 0.0


class Asker:
    """One engine, and all that it has told."""

    def __init__(self, engine: Answering) -> None:
        from cockpit.runs.state import RunState

        self.engine = engine
        self.state: RunState = RunState()
        self._are_notes_shown = False

    def ask(self, chats: list[Chat], show: Show, *, interruptible: bool = False) -> None:
        """Put them at the same time, once the model is there, and follow until all replies are whole. Raises Unanswered
        or EngineLeft. KeyboardInterrupt stops the replies; where it is `interruptible`, that is no error then."""
        asked = _Asked({chat.id: chat for chat in chats}, show, {chat.id for chat in chats})
        while asked.left:
            try:
                self._follow(asked)
            except KeyboardInterrupt:
                if not asked.is_sent or asked.is_stopped:
                    raise
                self._stop(asked)
                if not interruptible:
                    raise

    def wait_until_ready(self, show: Show) -> None:
        """Follow until the model is there. Raises Unanswered."""
        nothing = _Asked({}, show)
        while not self.engine.is_ready(self.state):
            self._follow(nothing)
        show.waits(True)
        self._show_notes(show)

    def _follow(self, asked: _Asked) -> None:
        engine = self.engine
        gone = engine.is_gone()
        batch = engine.link.poll()
        for event in batch:
            self.state.apply(event)
            self._take(asked, event)
        if not asked.left and asked.chats:
            return
        if gone and not batch:
            if engine.started is None and not asked.is_shown:
                time.sleep(POLL_S)  # its process may take a moment longer
                raise EngineLeft
            raise Unanswered(engine.why_gone(self.state))
        if asked.refusal and time.monotonic() > asked.refused_at + LEAVES_WITHIN_S:
            raise Unanswered(asked.refusal)
        is_ready = engine.is_ready(self.state)
        if not asked.is_sent and not batch and is_ready and asked.chats:
            self._show_notes(asked.show)
            self._send(asked)
        if not batch:
            if not asked.is_shown:
                asked.show.waits(is_ready)
            time.sleep(POLL_S)

    def _send(self, asked: _Asked) -> None:
        from cockpit.protocol.commands import ChatBoth
        from cockpit.runs.link import new_command_id

        asked.is_sent = True
        chats = list(asked.chats.values())
        self.engine.link.send(chats[0] if len(chats) == 1 else ChatBoth(id=new_command_id(), chats=chats))

    def _show_notes(self, show: Show) -> None:
        phase = self.state.phase
        if not self._are_notes_shown and phase is not None and phase.phase == "ready":
            self._are_notes_shown = True
            if phase.detail:
                show.notes(phase.detail)

    def _take(self, asked: _Asked, event: AnyEvent) -> None:
        from cockpit.protocol import events as ev

        chat = asked.chats.get(getattr(event, "command_id", ""))
        if chat is None or chat.id not in asked.left:
            return
        is_ours = self.engine.started is not None
        match event:
            case ev.CommandAnswered(accepted=False):
                if is_ours:
                    raise Unanswered(event.text)
                asked.refusal, asked.refused_at = event.text, time.monotonic()
            case ev.ReplyGrew():
                asked.is_shown = True
                asked.show.grew(chat.adapter, event.thinking, event.text)
            case ev.ReplyEnded(end="stopped") if not (asked.is_shown or is_ours or asked.is_stopped):
                asked.refusal, asked.refused_at = LEFT, time.monotonic()
            case ev.ReplyEnded():
                asked.left.discard(chat.id)
                asked.is_shown = True
                asked.show.ended(chat.adapter, event)
                if event.end == "stopped" and not asked.is_stopped:
                    raise Unanswered(LEFT)

    def _stop(self, asked: _Asked) -> None:
        from cockpit.protocol.commands import StopReply
        from cockpit.runs.link import new_command_id

        asked.is_stopped = True
        for id_ in asked.left:
            self.engine.link.send(StopReply(id=new_command_id(), chat_id=id_))
