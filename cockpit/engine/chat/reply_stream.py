"""Tokens of a reply -> its reasoning and its answer, as text that grows"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cockpit.engine.chat.thinking import USUAL_MARKS, ThinkingMarks, ThinkingSplit, special_texts

PROMPT_END = 32
"""Tokens at the end of a prompt in which it may open the reasoning."""
GROWS_EVERY_S = 0.06
"""How often a reply that streams is written to the log."""


Tell = Callable[[str, str, int], None]
"""Takes what a reply has grown by, of its answer and of its reasoning, and all tokens that were drawn so far."""


class ReplyStream:
    """Tokens as they are drawn -> reasoning and answer, told a few times a second; special tokens are left out. A
    streamer as transformers takes one, which whatever else draws tokens may call too."""

    def __init__(self, tokenizer: Any, tell: Tell, marks: ThinkingMarks = USUAL_MARKS, reply_end: str = "") -> None:
        self._tokenizer = tokenizer
        self._tell_reader = tell
        self._prompt_is_next = True
        self._ids: list[int] = []
        self._shown_from = 0
        self._shown_to = 0
        self._marks, self._special = marks, [*special_texts(tokenizer), reply_end]
        self._split: ThinkingSplit | None = None
        self._thinking = self._pending = ""
        self._told_at = 0.0
        self.tokens = 0
        self.last_token: int | None = None
        self.first_token_at: float | None = None

    def put(self, value: Any) -> None:
        """Called with the prompt, then with each new token: tensors, or arrays."""
        if self._prompt_is_next:
            self._prompt_is_next = False
            prompt = str(self._tokenizer.decode(value.flatten().tolist()[-PROMPT_END:], skip_special_tokens=False))
            self._split = ThinkingSplit(self._marks, self._special, prompt)
            return
        now = time.monotonic()
        for token in value.flatten().tolist():
            self._ids.append(token)
            self.tokens += 1
            self.last_token = token
        if self.first_token_at is None:
            self.first_token_at = now
        self._take(self._grown(whole=False))
        if (self._pending or self._thinking) and now - self._told_at >= GROWS_EVERY_S:
            self._tell(now)

    def end(self) -> None:
        """The reply is whole."""
        self._take(self._grown(whole=True))
        if self._split is not None:
            thinking, answer = self._split.end()
            self._thinking, self._pending = self._thinking + thinking, self._pending + answer
        if self._pending or self._thinking:
            self._tell(time.monotonic())

    def _take(self, text: str) -> None:
        if self._split is not None and text:
            thinking, answer = self._split.feed(text)
            self._thinking, self._pending = self._thinking + thinking, self._pending + answer

    def _tell(self, now: float) -> None:
        self._tell_reader(self._pending, self._thinking, self.tokens)
        self._thinking, self._pending, self._told_at = "", "", now

    def _grown(self, whole: bool) -> str:
        """The text that the newest tokens add. A character whose bytes are not all there waits for the rest.

        Two windows of tokens are decoded, with the newest and without, as a token's text depends on those before it.
        """
        before = self._decode(self._ids[self._shown_from : self._shown_to])
        after = self._decode(self._ids[self._shown_from :])
        if len(after) <= len(before) or (after.endswith("�") and not whole):
            return ""
        self._shown_from, self._shown_to = self._shown_to, len(self._ids)
        return after[len(before) :]

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))
