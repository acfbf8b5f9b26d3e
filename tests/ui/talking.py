"""The chat screen on a run that is ready to chat, and the engine behind it as the test plays it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static

from cockpit.machine.gpu import GpuReport
from cockpit.protocol import events as ev
from cockpit.protocol.commands import Chat, ChatBoth
from cockpit.ui.runs.chat_engine import ChatEngine
from cockpit.ui.screens.chat import ChatScreen
from cockpit.ui.widgets.chat_log import ChatLog
from cockpit.ui.widgets.pair_passage import PairPassage
from tests.recording import RECIPE, record
from tests.ui.engines import FakeEngine, FakeLink, FakeProbe
from tests.ui.stage import Stage, fed, session_of
from tests.ui.waiting import until

TRIAL = "What is the capital of Veldoria?"


class Talking:
    """The chat screen on a run that is ready to chat, and the engine's side of it."""

    def __init__(
        self, tmp_path: Path, *, replies: bool = False, link: FakeLink | None = None, recipe: str = RECIPE
    ) -> None:
        self.link = link or fed(record(tmp_path, steps=30, replies=replies))
        self.session = session_of(self.link, recipe=recipe)
        while self.session.poll():
            pass
        self.probe = FakeProbe(GpuReport())
        self.started: list[FakeEngine] = []
        self.app = Stage(self.make)
        self._replied: set[str] = set()

    def make(self) -> ChatScreen:
        def start(run: object, key: object) -> FakeEngine:
            self.started.append(FakeEngine(key, [], "chat"))  # type: ignore[arg-type]
            return self.started[-1]

        return ChatScreen(self.session, ChatEngine(self.session, lambda: self.probe, start))  # type: ignore[arg-type, return-value]

    @property
    def asked(self) -> list[Chat]:
        """All that were asked, those that were asked together too."""
        rounds = [command for command in self.link.sent if isinstance(command, Chat | ChatBoth)]
        return [chat for asked in rounds for chat in (asked.chats if isinstance(asked, ChatBoth) else [asked])]

    async def was_asked(self, pilot: Pilot[Any]) -> None:
        """Wait until there is something to reply to: a model may be waited for first."""
        await until(pilot, lambda: bool(self.asked) and self.asked[-1].id not in self._replied)

    def reply(
        self, *parts: str, end: ev.ReplyEnd | None = "end_of_turn", reason: str = "", chat: Chat | None = None
    ) -> None:
        """The engine answers the last Chat, or this one; with `end` None it goes on."""
        chat = chat or self.asked[-1]
        self._replied.add(chat.id)
        prompt = chat.messages[-1]["content"]
        commands = [command for command in self.link.sent if isinstance(command, ChatBoth)]
        both = next((command.id for command in commands if chat in command.chats), "")
        self.link.events.append(ev.ReplyStarted(command_id=chat.id, prompt=prompt, adapter=chat.adapter, both=both))
        self.link.events += [ev.ReplyGrew(command_id=chat.id, text=part) for part in parts]
        if end is not None:
            self.end(end, reason, chat)

    def reply_both(self, base: str, tuned: str, end: ev.ReplyEnd | None = "end_of_turn") -> None:
        """The engine answers the last ChatBoth."""
        for chat in self.asked[-2:]:
            self.reply(tuned if chat.adapter else base, chat=chat, end=end)

    def end(self, end: ev.ReplyEnd = "end_of_turn", reason: str = "", chat: Chat | None = None) -> None:
        """The reply to the last Chat, or to this one, is whole."""
        ended = ev.ReplyEnded(
            command_id=(chat or self.asked[-1]).id,
            end=end,
            prompt_tokens=19,
            new_tokens=12,
            duration_s=0.5,
            first_token_s=0.05,
            reason=reason,
        )
        self.link.events.append(ended)


def shown(pilot: Pilot[Any]) -> list[str]:
    """The conversation as it stands: each passage's text."""
    return [passage.text for passage in pilot.app.screen.query_one(ChatLog).passages]


def pair_of(pilot: Pilot[Any]) -> PairPassage:
    """The only two replies that stand side by side."""
    (pair,) = (one for one in pilot.app.screen.query_one(ChatLog).passages if isinstance(one, PairPassage))
    return pair


def notice(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one("#notice", Static).content)


def keys(pilot: Pilot[None]) -> set[str]:
    return {found.binding.description for found in pilot.app.screen.active_bindings.values() if found.enabled}


@asynccontextmanager
async def replying(talking: Talking, text: str = "Arr") -> AsyncIterator[Pilot[Any]]:
    """The trial prompt has been sent, and a reply has begun with `text`."""
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        await talking.was_asked(pilot)
        talking.reply(text, end=None)
        await until(pilot, lambda: "replying" in shown(pilot)[-1])
        yield pilot
