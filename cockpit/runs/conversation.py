"""Conversation: who asked what and which replies came; what is sent along with the next prompt."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from cockpit.protocol.commands import shown_prompt
from cockpit.runs.state import Reply

Messages = list[dict[str, str]]
Round = dict[bool, str]
"""Who was asked at the same time, by whether the adapter was on: the ids of their replies."""


@dataclass
class Turn:
    """One prompt, and how often it was put to whom, oldest first."""

    prompt: str
    image: str | None = None
    """The path of the picture that the prompt is about."""
    rounds: list[Round] = field(default_factory=list)

    @property
    def message(self) -> dict[str, str]:
        """What is sent of the prompt."""
        return {"role": "user", "content": self.prompt} | ({"image": self.image} if self.image else {})

    @property
    def shown(self) -> str:
        """The prompt as the conversation shows it."""
        return shown_prompt(self.message)

    def answered_to(self, adapter: bool, replies: dict[str, Reply]) -> Reply | None:
        """The newest reply that has any text: of the one that is asked now where it has given one, else of the other,
        as the reply to a prompt that only that one was asked."""
        for whose in (adapter, not adapter):
            for asked in reversed(self.rounds):
                reply = replies.get(asked.get(whose, ""))
                if reply is not None and reply.text.strip():
                    return reply
        return None


class Conversation:
    """The turns of one conversation. A new one is begun by making a new object."""

    def __init__(self, id: str = "") -> None:
        self.id = id or uuid.uuid4().hex[:12]
        self.turns: list[Turn] = []

    def messages_for(
        self,
        prompt: str,
        replies: dict[str, Reply],
        *,
        adapter: bool = True,
        image: str | None = None,
        again: bool = False,
        system: str = "",
    ) -> Messages:
        """Role/content messages that end with `prompt`, which may be about the picture at the path `image`; with
        `again`, the last turn's prompt without what was replied to it before. They go to the tuned model or, without
        the `adapter`, to its base, each of which finds its own replies there.

        `system`, a system prompt, stands before all of them. A turn goes with its newest reply that has any text, and
        its reasoning, which the template takes or leaves; one without is left out, so that roles take turns.
        """
        messages: Messages = []
        for turn in self.turns[:-1] if again else self.turns:
            reply = turn.answered_to(adapter, replies)
            if reply is not None:
                thought = reply.thinking.strip()
                reasoned = {"reasoning_content": thought} if thought else {}
                messages += [turn.message, {"role": "assistant", "content": reply.text, **reasoned}]
        system_turn = [{"role": "system", "content": system}] if system.strip() else []
        return [*system_turn, *messages, Turn(prompt, self.turns[-1].image if again else image).message]

    def ask(self, prompt: str, asked: Round, *, image: str | None = None) -> None:
        """A prompt was sent."""
        self.turns.append(Turn(prompt, image, [asked]))

    def ask_again(self, asked: Round) -> None:
        """The last prompt was sent once more."""
        self.turns[-1].rounds.append(asked)

    def take_back(self) -> Turn | None:
        """Without the last turn, which is given back; None where there is none."""
        return self.turns.pop() if self.turns else None

    @property
    def last_prompt(self) -> str | None:
        """What was asked last."""
        return self.turns[-1].prompt if self.turns else None
