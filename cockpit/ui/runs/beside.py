"""Beside: a checkpoint or another run that is asked what the run in the chat is asked; which ones there are"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.runs.folder import RunDir
from cockpit.text.numbers import count
from cockpit.text.plain_text import plain_line
from cockpit.ui.runs.chat_engine import ChatEngine
from cockpit.ui.runs.chat_notice import why_silent
from cockpit.ui.runs.chat_state import ChatState, Pair
from cockpit.ui.runs.session import RunSession

if TYPE_CHECKING:
    from cockpit.recipe.chat import Sampling
    from cockpit.runs.conversation import Messages
    from cockpit.runs.state import Reply

MOST_RUNS = 50
"""Runs that are offered, the newest first."""


@dataclass(frozen=True)
class Candidate:
    """`name` is RUN or RUN@STEP; `checkpoint` is its folder, None where the run's result is meant."""

    name: str
    says: str
    run: RunDir
    checkpoint: Path | None = None


def candidates(session: RunSession) -> list[Candidate]:
    """The checkpoints of the run in the chat, the newest first, then other runs that have saved a result."""
    from cockpit.runs.checkpoint import checkpoints
    from cockpit.runs.folder import all_runs
    from cockpit.runs.summary import RunSummary

    run = session.link.run
    found = [
        Candidate(f"{run.id}@{one.step}", f"checkpoint of step {count(one.step)}", run, one.path)
        for one in checkpoints(run.checkpoints)
        if not one.defect()
    ]
    others = [one for one in all_runs() if one.path != run.path and one.result is not None]
    for other in others[:MOST_RUNS]:
        summary = RunSummary.of(other)
        found.append(Candidate(other.id, f"{plain_line(summary.recipe_name)}, step {count(summary.step)}", other))
    return found


@dataclass
class Beside:
    """It is loaded beside the run in the chat, and let go with `end`. What was said before is told to it with its own
    replies, and with those of the run where it was not asked."""

    name: str
    session: RunSession
    engine: ChatEngine
    is_checkpoint: bool = False
    asked: str = ""
    """The id of the reply that was asked for last."""

    @classmethod
    def of(cls, candidate: Candidate, chatting: RunSession) -> Beside:
        """Raises RecipeError, ValueError or OSError with a sentence where it cannot be asked."""
        from cockpit.launch.engines import answering_run, start_answering_engine
        from cockpit.recipe.document import resolved_yaml
        from cockpit.runs.link import RunLink
        from cockpit.runs.origin import recipe_of_run

        if candidate.checkpoint is None:
            document = recipe_of_run(candidate.run.path)
            session = RunSession(RunLink(candidate.run), document.recipe(), document)
            return cls(candidate.name, session, ChatEngine(session))
        if wrong := candidate.run.why_linked():
            raise ValueError(wrong)
        run = answering_run(candidate.checkpoint, resolved_yaml(chatting.recipe))
        session = RunSession(RunLink(run), chatting.recipe, chatting.document)
        return cls(candidate.name, session, ChatEngine(session, start=start_answering_engine), is_checkpoint=True)

    @property
    def can_ask(self) -> bool:
        """Whether a question is answered now."""
        return self.session.can_ask

    @property
    def is_gone(self) -> bool:
        """Whether no engine is there to finish what it began."""
        state = self.session.state
        return self.session.liveness in ("lost", "exited") or state.exited is not None or state.unloaded is not None

    @property
    def is_answered(self) -> bool:
        """Whether nothing more comes of what was asked."""
        return not self.asked or self.is_gone or self.session.state.is_answered(self.asked)

    @property
    def silence(self) -> tuple[str, str]:
        """Why nobody answers, as why_silent says it."""
        kind, why = why_silent(self.session, self.engine, offers=False)
        return kind, f"{plain_line(self.name)}: {why}" if why else ""

    def tick(self) -> bool:
        """Take in what has happened. True where anything is new."""
        news = self.session.poll()
        self.engine.tick()
        return news

    def load(self) -> None:
        """Start an engine where none is there, or under way."""
        if not self.can_ask and self.silence[0] != "waiting":
            self.engine.load()

    def messages_for(
        self, chat: ChatState, prompt: str, replies: dict[str, Reply], *, again: bool, system: str
    ) -> Messages:
        """As Conversation.messages_for; `replies` are those of the run in the chat."""
        said = self.session.state.replies
        pairs = {id_: said.get(pair.id) for id_, pair in chat.pairs.items() if pair.state is self.session.state}
        own = {id_: reply for id_, reply in pairs.items() if reply is not None and reply.text.strip()}
        talk = chat.conversation
        return talk.messages_for(prompt, replies | own, image=chat.image, again=again, system=system)

    def ask(self, messages: Messages, sampling: Sampling) -> Pair:
        """Ask it; what will stand beside the reply of the run. Raises OSError."""
        self.asked = self.session.ask({True: messages}, sampling)[True]
        return Pair(self.asked, self.name, self.session.state)

    def stop_reply(self) -> None:
        """End its reply where it stands. Raises OSError."""
        if not self.is_answered:
            self.session.stop_reply(self.asked)

    def end(self) -> None:
        """Let it go."""
        self.engine.end(discards=self.is_checkpoint)
        self.session.link.close()
