"""Conversation: who asked what and which replies came; what is sent along with the next prompt."""

from __future__ import annotations

from dataclasses import dataclass, field

from cockpit.protocol.commands import shown_prompt
from cockpit.runs.state import Reply

Messages = list[dict[str, str]]


@dataclass
class Turn:
    """One prompt and the ids of the replies to it, oldest first: several where base and tuned were both asked."""

    prompt: str
    image: str | None = None
    """The path of the picture that the prompt is about."""
    asked: list[str] = field(default_factory=list)
    adapters: list[bool] = field(default_factory=list)
    """Whether each of them was asked with the adapter."""

    @property
    def message(self) -> dict[str, str]:
        """What is sent of the prompt."""
        return {"role": "user", "content": self.prompt} | ({"image": self.image} if self.image else {})

    @property
    def shown(self) -> str:
        """The prompt as the conversation shows it."""
        return shown_prompt(self.message)


class Conversation:
    """The turns of the present conversation. A new one is begun by making a new object."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []

    def messages_for(
        self, prompt: str, replies: dict[str, Reply], *, image: str | None = None, again: bool = False, system: str = ""
    ) -> Messages:
        """Role/content messages that end with `prompt`, which may be about the picture at the path `image`; with
        `again`, the last turn's prompt without what was replied to it before.

        `system`, a system prompt, stands before all of them. A turn goes with its newest reply that has any text, and
        its reasoning, which the template takes or leaves; one without is left out, so that roles take turns.
        """
        messages: Messages = []
        for turn in self.turns[:-1] if again else self.turns:
            answered = [reply for asked in turn.asked if (reply := replies.get(asked)) and reply.text.strip()]
            if answered:
                thought = answered[-1].thinking.strip()
                reasoned = {"reasoning_content": thought} if thought else {}
                messages += [turn.message, {"role": "assistant", "content": answered[-1].text, **reasoned}]
        system_turn = [{"role": "system", "content": system}] if system.strip() else []
        return [*system_turn, *messages, Turn(prompt, self.turns[-1].image if again else image).message]

    def ask(self, prompt: str, command_id: str, *, image: str | None = None, adapter: bool = True) -> None:
        """A prompt was sent."""
        self.turns.append(Turn(prompt, image, [command_id], [adapter]))

    def ask_again(self, command_id: str, *, adapter: bool = True) -> None:
        """The last prompt was sent once more."""
        self.turns[-1].asked.append(command_id)
        self.turns[-1].adapters.append(adapter)

    @property
    def last_prompt(self) -> str | None:
        """What was asked last."""
        return self.turns[-1].prompt if self.turns else None
