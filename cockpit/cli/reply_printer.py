"""Replies on stdout as they come, and nothing else there: all that is said about them is on stderr"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from cockpit.text.plain_text import PlainTextStream, plain_text

if TYPE_CHECKING:
    from cockpit.protocol.events import ReplyEnded

NAMES = {True: "tuned", False: "base"}


class ReplyPrinter:
    """Prints one reply, or two one after the other, each under its name: the first as it grows, the other behind it."""

    def __init__(self, adapters: list[bool], *, name: str = "") -> None:
        """`name` stands above a single one."""
        self._left = list(adapters)
        self._names = {adapter: name or NAMES[adapter] for adapter in adapters}
        self._named = bool(name) or len(adapters) > 1
        self._texts = dict.fromkeys(adapters, "")
        self._thoughts = dict(self._texts)
        self._ends: dict[bool, ReplyEnded] = {}
        self._stream, self._thought_stream = PlainTextStream(), PlainTextStream()
        self._is_begun = self._thinks = False
        self._waits = Waiting()
        self._dim, self._plain = ("\x1b[2m", "\x1b[22m") if takes_colour(sys.stderr) else ("", "")

    @property
    def is_failed(self) -> bool:
        """Whether a reply has failed."""
        return any(ended.end == "failed" for ended in self._ends.values())

    def waits(self, is_loaded: bool) -> None:
        """A line on stderr, where that is a terminal."""
        self._waits.show("" if is_loaded else "the model is being loaded")

    def notes(self, text: str) -> None:
        """On stderr."""
        self._waits.clear()
        say(text)

    def grew(self, adapter: bool, thinking: str, text: str) -> None:
        """Print it where it is this one's turn, else keep it."""
        self._waits.clear()
        self._thoughts[adapter] += thinking
        self._texts[adapter] += text
        self._print()

    def ended(self, adapter: bool, end: ReplyEnded) -> None:
        """The rest, and what went wrong."""
        self._waits.clear()
        self._ends[adapter] = end
        self._print()

    def _print(self) -> None:
        while self._left:
            adapter = self._left[0]
            end = self._ends.get(adapter)
            thinking, self._thoughts[adapter] = self._thoughts[adapter], ""
            text, self._texts[adapter] = self._texts[adapter], ""
            if not self._is_begun and (text or thinking or end):
                self._is_begun = True
                if self._named:
                    print(f"{self._names[adapter]}:", flush=True)
            self._think(thinking, ends=bool(text or end))
            print(self._stream.feed(text), end="", flush=True)
            if end is None:
                return
            if end.new_tokens or end.end != "failed":
                print(self._stream.end(), flush=True)
            if end.end == "failed":
                say(end.reason)
            self._left.pop(0)
            self._is_begun = False
            self._stream = PlainTextStream()
            if self._left and self._named:
                print(flush=True)

    def _think(self, text: str, *, ends: bool) -> None:
        if text:
            self._thinks = True
            print(f"{self._dim}{self._thought_stream.feed(text)}{self._plain}", end="", file=sys.stderr, flush=True)
        if ends and self._thinks:
            self._thinks = False
            print(f"{self._dim}{self._thought_stream.end()}{self._plain}\n", file=sys.stderr, flush=True)


class JsonPrinter:
    """Prints a JSON object a question, on one line, once all replies to it are whole."""

    def __init__(self, adapters: list[bool], target: str, prompt: str) -> None:
        self._target, self._prompt = target, prompt
        self._texts = dict.fromkeys(adapters, "")
        self._thoughts = dict(self._texts)
        self._ends: dict[bool, ReplyEnded] = {}
        self._waits = Waiting()

    @property
    def is_failed(self) -> bool:
        """Whether a reply has failed."""
        return any(ended.end == "failed" for ended in self._ends.values())

    def waits(self, is_loaded: bool) -> None:
        """A line on stderr, where that is a terminal."""
        self._waits.show("the model answers" if is_loaded else "the model is being loaded")

    def notes(self, text: str) -> None:
        """On stderr."""
        self._waits.clear()
        say(text)

    def grew(self, adapter: bool, thinking: str, text: str) -> None:
        """Keep it."""
        self._thoughts[adapter] += thinking
        self._texts[adapter] += text

    def ended(self, adapter: bool, end: ReplyEnded) -> None:
        """Print all of them with the last."""
        self._ends[adapter] = end
        if len(self._ends) == len(self._texts):
            self._waits.clear()
            replies = [self._reply(adapter, ended) for adapter, ended in sorted(self._ends.items())]
            document = {"target": self._target, "prompt": self._prompt, "replies": replies}
            print(json.dumps(document, ensure_ascii=False), flush=True)

    def _reply(self, adapter: bool, end: ReplyEnded) -> dict[str, Any]:
        return {
            "by": NAMES[adapter],
            "text": self._texts[adapter],
            "thinking": self._thoughts[adapter],
            "end": end.end,
            "reason": end.reason,
            "prompt_tokens": end.prompt_tokens,
            "new_tokens": end.new_tokens,
            "duration_s": end.duration_s,
            "first_token_s": end.first_token_s,
        }


class Waiting:
    """One line on stderr that goes again, where stderr is a terminal."""

    def __init__(self) -> None:
        self._shown = ""

    def show(self, text: str) -> None:
        """Say what is waited for."""
        if text != self._shown and takes_colour(sys.stderr):
            self._shown = text
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """It is over."""
        if self._shown:
            self._shown = ""
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def takes_colour(stream: Any) -> bool:
    """Whether it is a terminal that understands escape sequences."""
    import os

    return bool(stream.isatty()) and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def say(text: str) -> None:
    """A sentence on stderr."""
    print(plain_text(text), file=sys.stderr, flush=True)
