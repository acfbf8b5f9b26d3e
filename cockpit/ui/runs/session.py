"""RunSession: one run that the app looks at: its link, its recipe, and the state that its events give."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Literal

from cockpit.protocol.commands import Chat, ChatBoth, Control, Stop, StopReply, Unload
from cockpit.protocol.events import AnyEvent, CommandAnswered, MachineRead, RunEnded, StepEnded, WatchdogFired
from cockpit.runs.abort import abort_run
from cockpit.runs.elsewhere import HEARD_S, Elsewhere
from cockpit.runs.labels import OUTCOMES
from cockpit.runs.link import Link, ReplayLink, new_command_id
from cockpit.runs.liveness import Liveness
from cockpit.runs.message import Told, message_of
from cockpit.runs.sentences import LOG_LINES, LogLine, log_line
from cockpit.runs.state import RunState
from cockpit.runs.status import State, is_active
from cockpit.runs.summary import RunSummary
from cockpit.text.numbers import duration
from cockpit.text.plain_text import plain_line
from cockpit.ui.runs.chat_state import ChatState

if TYPE_CHECKING:
    from cockpit.recipe.chat import Sampling
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.conversation import Messages, Round

LOOK_AT_ENGINE_EVERY_S = 1.0
PART_S = 0.008
"""How long one poll of a session reads on in a long log; what is left is for the next one, so that keys are heard."""
SLOW_START_AFTER_S = 30.0
"""An engine that has not said anything for so long probably never will."""


class RunSession:
    """Screens call `poll` ten times a second while they are visible, and read `state`."""

    def __init__(
        self,
        link: Link,
        recipe: Recipe,
        document: RecipeDocument,
        *,
        clock: Callable[[], float] | None = None,
        look_at_engine_every_s: float = LOOK_AT_ENGINE_EVERY_S,
    ) -> None:
        """Reads the run from its beginning, whoever has read from the link before. `clock` gives Unix time."""
        self.link, self.recipe, self.document = link, recipe, document
        self.state = RunState()
        self.log: deque[LogLine] = deque(maxlen=LOG_LINES)
        """The engine's own lines and the landmarks of the run, oldest first."""
        self.chat = ChatState()
        """What the chat keeps while another screen is shown."""
        self.is_engine_ours = False
        """Whether this app has started the engine, and so lets its model go when it is in the way."""
        self.is_exporting = False
        """Whether this app exports what the run has saved just now."""
        self.is_behind = False
        """Whether the last poll has probably left more behind, which can be read at once."""
        self.calls: list[Told] = []
        """What whoever looks at the run is to be called for; taken by the app."""
        self.turns = 0
        """How often something else has happened than a step or a reading of the machine."""
        self._sent_stops: list[tuple[int, Stop]] = []
        """Those of this app that were not refused, each with the attempt that it was for."""
        self.refused_stop: CommandAnswered | None = None
        """The last refusal of a Stop."""
        self._sent_controls: set[str] = set()
        self.refused_control: CommandAnswered | None = None
        """The last refusal of another control that this app has sent."""
        self.refused_start: CommandAnswered | None = None
        """The engine's refusal to take the run up."""
        self._clock = clock or (self._recorded_time if isinstance(link, ReplayLink) else time.time)
        self._newest_at, self._newest_seen = 0.0, time.monotonic()
        self._liveness: Liveness = "starting"
        self.was_alive = False
        """Whether its engine lived while it was looked at."""
        self._look_at_engine_every_s = look_at_engine_every_s
        self._looked_at = float("-inf")
        self._opened_at = self._clock()
        link.close()

    def poll(self, part_s: float = PART_S) -> bool:
        """Take in what has happened, `part_s` seconds of a long log at a time. True where anything is new."""
        until = time.monotonic() + part_s
        batch = self._read()
        news = bool(batch)
        while self.is_behind and time.monotonic() < until:
            batch = self._read()
        return self._look_at_engine(idle=not batch) or news

    def _read(self) -> list[AnyEvent]:
        batch = self.link.poll()
        self.state.take(batch)
        for event in batch:
            if type(event) is StepEnded or type(event) is MachineRead:
                continue  # nearly all of them
            self.turns += 1
            if isinstance(event, RunEnded | WatchdogFired) and event.at >= self._opened_at and not self.is_recording:
                told = message_of(event, self.link.run.id, self.state)
                self.calls += [told] if told is not None else []
            if isinstance(event, CommandAnswered) and not event.accepted:
                self._take_refusal(event)
            line = log_line(event, self.state.main)
            if line is not None:
                self.log.append(line)
        self.is_behind = self.link.is_behind
        if batch:
            self._newest_at = max(self._newest_at, batch[-1].at)
            self._newest_seen = time.monotonic()
        return batch

    def _take_refusal(self, answer: CommandAnswered) -> None:
        if any(stop.id == answer.command_id for _, stop in self._sent_stops):
            self.refused_stop = answer
            self._sent_stops = [sent for sent in self._sent_stops if sent[1].id != answer.command_id]
        elif answer.command_id in self._sent_controls:
            self.refused_control = answer
        elif self.state.run is None and answer.command in ("Train", None) and not answer.stale:
            # Of engines that do not name the command: before a run has begun there is hardly another to be refused.
            self.refused_start = answer

    @property
    def stop_asked(self) -> Literal["save", "drop"] | None:
        """What the present attempt was asked to end with, by whichever reader, and by this app even where the engine
        has not told of it, as older ones never do."""
        saves = [stop.save for attempt, stop in self._sent_stops if attempt == self.state.attempt]
        if self.state.stop_requested is not None:
            saves.append(self.state.stop_requested.save)
        if not saves:
            return None
        return "save" if all(saves) else "drop"

    @property
    def liveness(self) -> Liveness:
        """What was last known of the engine."""
        return self._liveness

    @property
    def status(self) -> State:
        """How the run stands or has ended."""
        if self.state.ended is not None:
            return self.state.ended.outcome
        if self.refused_start is not None and self.state.run is None:
            return "failed"
        if self._liveness in ("lost", "silent"):
            return "lost" if self._liveness == "lost" else "silent"
        if self.state.exited is not None or self._liveness == "exited":
            return "lost"
        return "running" if self.state.engine is not None else "starting"

    @property
    def is_recording(self) -> bool:
        """Whether it is played from a recording, which takes no commands."""
        return isinstance(self.link, ReplayLink)

    @property
    def facts(self) -> list[tuple[str, str]] | None:
        """Of a run that cockpit did not start, what is known of it in place of a recipe; else None."""
        return None

    @property
    def why_out_of_touch(self) -> str:
        """That the run's host was not heard for a while, in a sentence; empty where it is, or is this machine."""
        elsewhere = Elsewhere.of(self.link.run.path)
        if elsewhere is None or (heard_s := elsewhere.heard_s(self.link.run.path)) < HEARD_S:
            return ""
        when = f"was last heard {duration(heard_s)} ago" if isfinite(heard_s) else "was not heard yet"
        return f"{plain_line(elsewhere.host)} {when}. What runs there goes on; this follows once it is heard again."

    @property
    def takes_commands(self) -> bool:
        """Whether anything can be asked of it."""
        return not self.is_recording

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of the training."""
        return not is_active(self.status)

    @property
    def can_chat(self) -> bool:
        """Whether the model is there to answer."""
        return self.state.can_chat and self._liveness in ("alive", "silent") and not self.is_recording

    @property
    def can_ask(self) -> bool:
        """Whether a question is answered, be it between two steps."""
        lives = self._liveness in ("alive", "silent") and not self.is_recording
        return self.can_chat or (self.state.is_stepping and lives)

    @property
    def was_seen_ending(self) -> bool:
        """Whether the training ended while it was looked at, and not before."""
        return self.state.ended is not None and self.state.ended.at >= self._opened_at

    @property
    def is_slow_to_start(self) -> bool:
        """Whether the engine has been silent for longer than a start takes."""
        return self.state.engine is None and self.now() - self._opened_at > SLOW_START_AFTER_S

    def now(self) -> float:
        """The present, in the time of the run's events: Unix seconds."""
        return self._clock()

    def stop(self, *, save: bool) -> None:
        """Ask for an end: the step is finished and saved, or dropped. Raises OSError."""
        command = Stop(id=new_command_id(), save=save)
        self.link.send(command)
        self._sent_stops.append((self.state.attempt, command))

    def control(self, command: Control) -> None:
        """Ask for something to be done between two steps. Raises OSError."""
        self.link.send(command)
        self._sent_controls.add(command.id)

    def abort(self) -> None:
        """End the engine's process in the middle of whatever it does. Raises ValueError or OSError with a sentence."""
        abort_run(self.link.run, self.state.step)

    def ask(self, messages: dict[bool, Messages], sampling: Sampling) -> Round:
        """Ask for a reply to the last of the messages, by whether the adapter is to be on; the ids that the replies
        will carry. Both are answered at the same time. Raises OSError."""
        chats = {adapter: self._chat(asked, adapter, sampling) for adapter, asked in messages.items()}
        command: Chat | ChatBoth = next(iter(chats.values()))
        if len(chats) > 1:
            command = ChatBoth(id=new_command_id(), chats=list(chats.values()))
        self.link.send(command)
        return {adapter: chat.id for adapter, chat in chats.items()}

    def _chat(self, messages: Messages, adapter: bool, sampling: Sampling) -> Chat:
        return Chat(
            id=new_command_id(),
            messages=messages,
            adapter=adapter,
            enable_thinking=sampling.enable_thinking,
            do_sample=sampling.do_sample,
            max_new_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            seed=sampling.seed,
            repetition_penalty=sampling.repetition_penalty,
        )

    def stop_reply(self, chat_id: str) -> None:
        """End a reply where it stands. Raises OSError."""
        self.link.send(StopReply(id=new_command_id(), chat_id=chat_id))

    def unload(self) -> None:
        """Let the model go of a run that is over; does nothing where no engine holds one. Raises OSError."""
        over = self.is_over or RunSummary.of(self.link.run).state in OUTCOMES
        if over and self.link.liveness() == "alive":
            engine = self.link.run.identity()
            self.link.send(Unload(id=new_command_id(), pid=engine.pid if engine is not None else None))
            self.is_engine_ours = False

    def _look_at_engine(self, *, idle: bool) -> bool:
        """Ask about the engine's process from time to time. True where the answer has changed.

        An engine that is gone may have left events unread: only when there are no more is it lost.
        """
        moment = time.monotonic()
        if moment - self._looked_at < self._look_at_engine_every_s:
            return False
        found = self.link.liveness()
        if found in ("lost", "exited") and not idle:
            return False
        self._looked_at = moment
        changed = found != self._liveness
        self.was_alive = self.was_alive or found == "alive"
        self._liveness = found
        self.turns += changed
        return changed

    def _recorded_time(self) -> float:
        if self._newest_at == 0.0 or self._liveness == "exited":
            return self._newest_at
        return self._newest_at + time.monotonic() - self._newest_seen
