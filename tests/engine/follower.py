"""Follows a run in a test until something is so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from cockpit.launch.engines import EngineProcess
from cockpit.protocol.commands import AnyCommand, Chat, ChatBoth
from cockpit.protocol.events import AnyEvent, CommandAnswered, PhaseStarted, ReplyEnded, ReplyGrew
from cockpit.runs.link import RunLink, new_command_id
from cockpit.runs.state import RunState

PATIENCE_S = 300.0
"""To import the stack is 17 s of CPU, which a busy machine may not give for minutes."""
Kind = TypeVar("Kind", bound=AnyEvent)


class Follower:
    """All events of a run so far, and its state."""

    def __init__(self, link: RunLink, process: EngineProcess | None = None) -> None:
        """`process` tells of an engine that takes over a run whose last engine is lost."""
        self.link = link
        self._process = process
        self.events: list[AnyEvent] = []
        self.state = RunState()

    def poll(self) -> None:
        """Take in what has come."""
        for event in self.link.poll():
            self.events.append(event)
            self.state.apply(event)

    def until(self, so: Callable[[], bool]) -> None:
        """Follow until `so`; fails after PATIENCE_S."""
        deadline = time.monotonic() + PATIENCE_S
        while not so():
            assert time.monotonic() < deadline, f"not so in time; last events: {self.events[-5:]}"
            over = self.is_over()
            count = len(self.events)
            self.poll()
            assert so() or not over or len(self.events) > count, f"the engine has gone: {self.events[-5:]}"
            time.sleep(0.02)
        self.poll()

    def is_over(self) -> bool:
        """Whether no engine can write any more."""
        if self._process is not None:
            return self._process.poll() is not None
        return self.link.liveness() in ("exited", "lost")

    def all(self, kind: type[Kind]) -> list[Kind]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def phases(self) -> list[str]:
        """The phases in their order."""
        return [event.phase for event in self.all(PhaseStarted)]

    def until_phase(self, phase: str) -> None:
        """Follow until the engine is in `phase`."""
        self.until(lambda: self.state.phase is not None and self.state.phase.phase == phase)

    def until_ended(self) -> None:
        """Follow until the run has ended."""
        self.until(lambda: self.state.ended is not None)

    def until_exited(self) -> None:
        """Follow until the engine says that it exits."""
        self.until(lambda: self.state.exited is not None)

    def send(self, command: AnyCommand) -> CommandAnswered:
        """Send, and follow until it is answered."""
        self.link.send(command)
        self.until(lambda: command.id in self.state.answers)
        return self.state.answers[command.id]

    def ask(self, prompt: str, **sampling: object) -> tuple[str, ReplyEnded]:
        """Chat, and follow until the reply is whole."""
        chat = Chat(id=new_command_id(), messages=[{"role": "user", "content": prompt}], **sampling)  # type: ignore[arg-type]
        self.link.send(chat)
        self.until(lambda: chat.id in self.state.replies and self.state.replies[chat.id].ended is not None)
        ended = self.state.replies[chat.id].ended
        assert ended is not None
        text = "".join(event.text for event in self.all(ReplyGrew) if event.command_id == chat.id)
        assert text == self.state.replies[chat.id].text
        return text, ended

    def ask_both(self, prompt: str, **sampling: object) -> dict[bool, str]:
        """Ask tuned and base at the same time, and follow until both replies are whole; these by whether the adapter
        was on."""
        chats = [
            Chat(id=new_command_id(), messages=[{"role": "user", "content": prompt}], adapter=adapter, **sampling)  # type: ignore[arg-type]
            for adapter in (False, True)
        ]
        self.link.send(ChatBoth(id=new_command_id(), chats=chats))
        replies = self.state.replies
        self.until(lambda: all(chat.id in replies and replies[chat.id].ended is not None for chat in chats))
        return {chat.adapter: replies[chat.id].text for chat in chats}
