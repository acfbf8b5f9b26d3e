"""Readers -> engine: what is asked, in the imperative. One file a command; each is answered by an event with its id."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """`id` is set by who sends it and repeated by the event that answers it."""

    id: str


class Train(Command, tag=True, frozen=True, kw_only=True):
    """Train the recipe.yaml of the run folder. A standby moves its folder to runs/`run_id` first.

    With `resume`, resume from the newest checkpoint that loads, or from the one after step `from_step`; 0 begins anew.
    `fitted` says how the recipe was fitted to the machine; empty where it was not. `folder` is the one that was worked
    in, where functions of the user's own are looked for.
    """

    run_id: str
    command: list[str]
    recipe_name: str = ""
    resume: bool = False
    from_step: int | None = None
    fitted: str = ""
    folder: str = ""


class Stop(Command, tag=True, frozen=True, kw_only=True):
    """Finish the step and save; with `save` off, drop the step and save nothing."""

    save: bool = True


class Pause(Command, tag=True, frozen=True, kw_only=True):
    """Finish the step, or the batch of an evaluation, and wait there."""


class Unpause(Command, tag=True, frozen=True, kw_only=True):
    """Go on with a training that waits."""


class SaveCheckpoint(Command, tag=True, frozen=True, kw_only=True):
    """Write a checkpoint after the step in hand, whatever the recipe has planned."""


class Evaluate(Command, tag=True, frozen=True, kw_only=True):
    """Measure the held-out rows after the step in hand."""


class Sample(Command, tag=True, frozen=True, kw_only=True):
    """Answer the recipe's samples.prompts after the step in hand."""


class ScaleLearningRate(Command, tag=True, frozen=True, kw_only=True):
    """From the next step on, take `factor` times the learning rate that would be taken without."""

    factor: float


class AddSteps(Command, tag=True, frozen=True, kw_only=True):
    """Train for so many `steps` more; the schedule is that of the longer run from the next step on."""

    steps: int


class Chat(Command, tag=True, frozen=True, kw_only=True):
    """Answer the last of `messages` (role/content, oldest first), with the adapter or without it.

    A message may have an `image` too: the absolute path of the picture that its words are about; and one of the
    assistant `reasoning_content`, which the template takes or leaves. Without `repetition_penalty` tokens that are
    drawn have the model's own, and greedy ones none. With a `seed` tokens are drawn alike each time.
    """

    messages: list[dict[str, str]]
    adapter: bool = True
    enable_thinking: bool = False
    do_sample: bool = True
    max_new_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.8
    top_k: int = 20
    min_p: float = 0.0
    repetition_penalty: float | None = None
    seed: int | None = None


class ChatBoth(Command, tag=True, frozen=True, kw_only=True):
    """Answer all of `chats` at the same time, a stretch of one and then of the next, with the same seed; each gets the
    reply that it would get alone, told under its own id."""

    chats: list[Chat]


class AnswerPrompts(Command, tag=True, frozen=True, kw_only=True):
    """Answer the last message of each of `conversations`, whose messages are those of Chat, several at once where that
    changes no reply. Each is told with an event of its own. Tokens that are drawn are the same each time."""

    conversations: list[list[dict[str, str]]]
    adapter: bool = True
    enable_thinking: bool = False
    do_sample: bool = False
    max_new_tokens: int = 128
    temperature: float = 0.7


class StopReply(Command, tag=True, frozen=True, kw_only=True):
    """End the reply to the Chat command, or the replies to the ChatBoth or AnswerPrompts command, `chat_id` where they
    stand."""

    chat_id: str


class Unload(Command, tag=True, frozen=True, kw_only=True):
    """Let the chat model go and end the engine. `pid`: the process of the engine that it is for, so that it hits no
    other one that has taken the run up since; None for whichever there is."""

    pid: int | None = None


Control = Pause | Unpause | SaveCheckpoint | Evaluate | Sample | ScaleLearningRate | AddSteps
"""What the training is asked for on its way; it is done between two steps."""
Question = Chat | ChatBoth | AnswerPrompts
"""What a model is asked once it is trained."""
AnyCommand = Train | Stop | Control | Question | StopReply | Unload


def shown_prompt(message: dict[str, str]) -> str:
    """The words of a message and the name of its image, as a conversation shows them."""
    image = message.get("image", "")
    return f"{message.get('content', '')}{f' (image {Path(image).name})' if image else ''}"


_decoder: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)
_peek: msgspec.json.Decoder[dict[str, object]] = msgspec.json.Decoder(dict[str, object])
_types = {command.__name__ for command in get_args(AnyCommand)}
SHOWN = 60
"""The most characters of a foreign word that a sentence repeats."""


@dataclass(frozen=True)
class UnreadableCommand:
    """A file that is no command of this version. `type` is what it calls itself, empty where it does not; `why` is a
    sentence."""

    id: str
    type: str
    why: str


def read(content: bytes, file_name: str) -> AnyCommand | UnreadableCommand:
    """A command file's content, or what can be known of one that is no command of this version. Its id is in its
    content, else in the file's name: TIME-ID.json."""
    try:
        return decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        fields = _fields(content)
        if not fields:
            return unreadable(file_name, "it is not a JSON object")
        id_, type_ = fields.get("id"), fields.get("type")
        if not isinstance(id_, str):
            id_ = _id_in(_name(file_name))
        type_ = type_ if isinstance(type_, str) else ""
        if type_ and type_ not in _types:
            why = f"This engine does not know the command {type_[:SHOWN]!r}; it may be of a newer version of cockpit."
        else:
            why = f"The command {type_[:SHOWN]!r} cannot be read: {error}."
        return UnreadableCommand(id_, type_, why)


def unreadable(file_name: str, why: str) -> UnreadableCommand:
    """For a file of which its name alone is known; `why` is a clause."""
    name = _name(file_name)
    return UnreadableCommand(_id_in(name), "", f"The file {name[:SHOWN]!r} holds no command: {why}.")


def _name(file_name: str) -> str:
    return os.fsencode(file_name).decode("utf-8", "replace").removesuffix(".json")


def _id_in(name: str) -> str:
    return name.partition("-")[2] or name


def _fields(content: bytes) -> dict[str, object]:
    """The fields of a JSON object; none where the content is something else."""
    try:
        return _peek.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def decode(content: bytes) -> AnyCommand:
    """A command file's content. Raises msgspec.DecodeError when it is none."""
    try:
        return _decoder.decode(content)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from None


def encode(command: AnyCommand) -> bytes:
    """The command as JSON."""
    return msgspec.json.encode(command)
