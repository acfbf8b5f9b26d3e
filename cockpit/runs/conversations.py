"""The conversations of a run, kept in its folder: which prompts were put to whom; chat.jsonl has the replies"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.protocol.values import UNREADABLE
from cockpit.runs.conversation import Conversation, Turn
from cockpit.runs.folder import RunDir

MOST = 50
"""Conversations that are kept; the oldest go."""
LONGEST_FILE = 1 << 24
NAMES = {True: "tuned", False: "base"}


class _Turn(msgspec.Struct):
    prompt: str
    image: str | None = None
    rounds: list[dict[str, str]] = []


class _Conversation(msgspec.Struct):
    id: str
    turns: list[_Turn]


def kept_conversations(run: RunDir) -> list[Conversation]:
    """Those of the run, the newest first; none where there are none or their file is damaged."""
    try:
        content = read_regular(run.conversations, LONGEST_FILE, follow=False)
        kept = msgspec.json.decode(content, type=list[_Conversation])
    except (OSError, *UNREADABLE):
        return []
    return [_read(one) for one in kept]


def keep(run: RunDir, talk: Conversation) -> None:
    """Keep the conversation as it stands now, before all others. Raises OSError."""
    others = [one for one in kept_conversations(run) if one.id != talk.id]
    kept = [_written(one) for one in ([talk] if talk.turns else []) + others]
    with suppress(FileNotFoundError):  # the run's folder was removed meanwhile
        write_atomically(run.conversations, msgspec.json.encode(kept[:MOST]), durable=False, mode=0o600)


def _written(talk: Conversation) -> _Conversation:
    turns = [
        _Turn(turn.prompt, turn.image, [{NAMES[adapter]: id_ for adapter, id_ in one.items()} for one in turn.rounds])
        for turn in talk.turns
    ]
    return _Conversation(talk.id, turns)


def _read(kept: _Conversation) -> Conversation:
    talk = Conversation(kept.id)
    for turn in kept.turns:
        rounds = [{name == NAMES[True]: id_ for name, id_ in one.items()} for one in turn.rounds]
        talk.turns.append(Turn(turn.prompt, turn.image, [one for one in rounds if one]))
    talk.turns = [turn for turn in talk.turns if turn.rounds]
    return talk
