"""A run that is over and whose engine answers in the chat, as an engine writes replies: of any text, at any pace."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from cockpit.protocol import events as ev
from cockpit.protocol.commands import Chat, ChatBoth
from cockpit.protocol.event_log import EventWriter
from cockpit.runs.folder import RunDir
from tests.recording import record

TELLS_EVERY_S = 0.06
"""As often as an engine writes of a reply that grows (cockpit/engine/chat/reply_stream.py)."""
TOKEN = 4
"""Characters of a token, about."""
WORDS = ("the", "quick", "brown", "fox", "asks", "why", "some", "lazy", "dogs", "of", "port", "never", "sail", "beyond")


def prose(noise: random.Random) -> str:
    """A paragraph of Markdown."""
    words = [noise.choice(WORDS) for _ in range(60)]
    words[7], words[20] = f"**{words[7]}**", f"`{words[20]}`"
    return " ".join(words) + ".\n\n"


def code(noise: random.Random) -> str:
    """A piece of Python in a fence."""
    lines = [f"    {noise.choice(WORDS)} = {noise.randrange(1000)}  # {noise.choice(WORDS)}" for _ in range(12)]
    return "\n".join(["```python", f"def {noise.choice(WORDS)}():", *lines, "```", "", ""])


def table(noise: random.Random) -> str:
    """A table and a list."""
    rows = [f"| {noise.choice(WORDS)} | {noise.randrange(100)} |" for _ in range(6)]
    return "\n".join(
        ["| word | count |", "|---|---|", *rows, "", *(f"- {noise.choice(WORDS)}" for _ in range(5)), "", ""]
    )


def escapes(noise: random.Random) -> str:
    """What would clear the screen, move the cursor and set a title."""
    return f"\x1b[2J\x1b[1;1H\x1b]0;title\x07{noise.choice(WORDS)}\x1b[31m {noise.choice(WORDS)}\x1b[0m\r\n"


def wide(noise: random.Random) -> str:
    """Two columns a sign, signs that are joined to others, and signs from right to left."""
    joined = "e\u0301a\u0300\u0323 👩\u200d🔬 🏳\ufe0f\u200d🌈"
    return f"{noise.choice(['漢字', '가나다', 'ｗｉｄｅ'])} {joined} {noise.choice(['שלום', 'مرحبا'])} "


def one_line(noise: random.Random) -> str:
    """Words without an end of line."""
    return noise.choice(WORDS) + " "


def unbroken(noise: random.Random) -> str:
    """Letters without a space."""
    return "".join(noise.choices("abcdefghijklmnoprstuvwxyz", k=8))


KINDS: dict[str, Callable[[random.Random], str]] = {
    "prose": prose,
    "code": code,
    "table": table,
    "escapes": escapes,
    "wide": wide,
    "one line": one_line,
    "unbroken": unbroken,
}


def text_of(kind: str, tokens: int) -> str:
    """So many tokens of this kind."""
    noise, parts, size = random.Random(3), [], 0
    while size < tokens * TOKEN:
        parts.append(KINDS[kind](noise))
        size += len(parts[-1])
    return "".join(parts)[: tokens * TOKEN]


class Replying:
    """The engine of a run that has ended well; this process stands as it. `go_on` answers whoever asks: at once with
    the first `begun` tokens of `text`, then with `tokens_per_s` more."""

    def __init__(self, folder: Path, text: str, *, begun: int, tokens_per_s: float) -> None:
        self.run: RunDir = record(folder, run_id="replying", steps=30)
        self._text, self._begun, self._per_s = text, begun * TOKEN, tokens_per_s * TOKEN
        self._log = EventWriter(self.run.chat)
        self._replies: dict[str, tuple[float, int]] = {}
        """When each was asked for, and how much of it is written."""
        self._told_at = 0.0

    @property
    def is_over(self) -> bool:
        """Whether something was asked, and all of it is answered."""
        return bool(self._replies) and all(written >= len(self._text) for _, written in self._replies.values())

    @property
    def written(self) -> int:
        """Characters of the shortest reply so far."""
        return min((written for _, written in self._replies.values()), default=0)

    def go_on(self) -> None:
        """Take what was asked, and write what is due."""
        now = time.monotonic()
        if now - self._told_at < TELLS_EVERY_S:
            return
        self._told_at = now
        for command in self.run.take_commands():
            if isinstance(command, Chat | ChatBoth):
                chats = command.chats if isinstance(command, ChatBoth) else [command]
                for chat in chats:
                    both = command.id if len(chats) > 1 else ""
                    prompt = chat.messages[-1]["content"]
                    self._log.append(
                        ev.ReplyStarted(command_id=chat.id, prompt=prompt, adapter=chat.adapter, both=both)
                    )
                    self._replies[chat.id] = now, 0
        for id_, (asked, written) in self._replies.items():
            due = min(len(self._text), self._begun + round((now - asked) * self._per_s))
            if due > written:
                text = self._text[written:due]
                self._log.append(ev.ReplyGrew(command_id=id_, text=text, tokens=due // TOKEN))
                self._replies[id_] = asked, due
                if due == len(self._text):
                    took = now - asked
                    ended = ev.ReplyEnded(command_id=id_, end="end_of_turn", prompt_tokens=19, new_tokens=due // TOKEN,
                                          duration_s=took, first_token_s=0.05)  # fmt: skip
                    self._log.append(ended)

    def close(self) -> None:
        """Leave the run."""
        self._log.close()
