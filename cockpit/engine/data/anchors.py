"""Anchors: marks that are put around the words of a conversation, to see where its template writes them

A template is rendered twice, with the anchors and without. Where the first text without its anchors is the second, the
template has not minded them, and they show where each word stands, whatever the words hold.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, NamedTuple

from cockpit.engine.data.conversation import texts_of
from cockpit.engine.data.message import THOUGHTS, Message

What = Literal["words", "reasoning", "calls"]
REASONING = (*dict.fromkeys((*THOUGHTS, "reasoning")),)
"""What the reasoning of a turn may be called."""
_CLOSES_REASONING, _OPENS_REASONING = "</think>", "<think>"


class Place(NamedTuple):
    """One anchor: the turn it is in, what it stands beside, and whether that begins or ends there; nothing but the
    anchor stands there where it does both."""

    turn: int
    what: What
    begins: bool
    ends: bool


class LeftOut(NamedTuple):
    """Something of a turn that is not in the text, or only in part."""

    turn: int
    role: str
    what: What


class Anchor(NamedTuple):
    """Where an anchor was written, in characters of the text without anchors. `number` is its place's in `places`."""

    at: int
    number: int
    place: Place


@dataclass(frozen=True)
class Read:
    """A text without its anchors, and these in their order, each once: where it was written first."""

    text: str
    anchors: list[Anchor]


class Where(IntEnum):
    """What has anchors: nothing, all words, or turns without words too, where one stands alone."""

    NOWHERE = 0
    WORDS = 1
    EVERYWHERE = 2


class Anchored:
    """`messages` with anchors in them."""

    def __init__(self, messages: Sequence[Message], unlike: str, where: Where) -> None:
        """The anchors are made so that none stands in the text `unlike`."""
        sign = next(sign for sign in (f"Qz{'j' * size}" for size in itertools.count(1)) if sign not in unlike)
        self._sign, self._where = sign, where
        self._pattern = re.compile(rf"{sign}(\d+)z")
        self.places: list[Place] = []
        self.words: dict[int, str] = {}
        """What stands after an anchor that begins, and before the next one."""
        self.messages = [self._turn(turn, message) for turn, message in enumerate(messages)]

    def read(self, text: str) -> Read:
        """`text` is what the template has written of the messages, or of some of them."""
        pieces: list[str] = []
        anchors: dict[int, Anchor] = {}
        begin = at = 0
        for found in self._pattern.finditer(text):
            pieces.append(text[begin : found.start()])
            at += found.start() - begin
            begin = found.end()
            number = int(found[1])
            if number < len(self.places):
                anchors.setdefault(number, Anchor(at, number, self.places[number]))
        pieces.append(text[begin:])
        return Read("".join(pieces), list(anchors.values()))

    def without(self, text: str) -> str:
        """`text` without anchors."""
        return self._pattern.sub("", text)

    def until(self, turn: int) -> Anchored:
        """The same anchors, in the turns up to `turn` alone."""
        part = copy.copy(self)
        part.messages = self.messages[: turn + 1]
        return part

    def left_out(self, read: Read) -> list[LeftOut]:
        """All that has anchors and is not in what was read, or only in part."""
        if self._where == Where.NOWHERE:
            return _not_found(self.messages, read.text)
        at = {anchor.number: anchor.at for anchor in read.anchors}
        missing = {place[:2] for number, place in enumerate(self.places) if number not in at}
        # Reasoning has several names, of which a template reads one.
        missing -= {place[:2] for place in (self.places[number] for number in at) if place.what == "reasoning"}
        for number, words in self.words.items():
            place = self.places[number]
            if place.what == "words" and number in at and number + 1 in at:
                written = at[number + 1] - at[number]
                if written < len(words):
                    missing.add(place[:2])
        return [LeftOut(turn, self.messages[turn]["role"], what) for turn, what in sorted(missing)]

    def _turn(self, turn: int, message: Message) -> Message:
        if self._where == Where.NOWHERE:
            return message
        marked = dict(message)
        is_answer = message["role"] == "assistant"
        if is_answer:
            for name in REASONING:
                if isinstance(message.get(name), str):
                    marked[name] = self._around(turn, "reasoning", message[name])
            if message.get("tool_calls"):
                marked["tool_calls"] = [self._call(turn, call) for call in message["tool_calls"]]
        content = message["content"]
        if isinstance(content, str):
            marked["content"] = self._content(turn, message, content)
        elif content is not None:
            marked["content"] = [
                {**part, "text": self._around(turn, "words", part["text"])} if part["type"] == "text" else part
                for part in content
            ]
        return marked

    def _content(self, turn: int, message: Message, content: str) -> str:
        if not content.strip():
            alone = message["role"] != "system" and not message.get("tool_calls") and self._where == Where.EVERYWHERE
            return f"{content}{self._anchor(turn, 'words', begins=True, ends=True)}" if alone else content
        if message["role"] == "assistant" and _CLOSES_REASONING in content:
            # Many templates cut such an answer in two, and leave the reasoning out of it.
            thought, mark, answer = content.rpartition(_CLOSES_REASONING)
            before, opens, thought = thought.rpartition(_OPENS_REASONING)
            whole = (self._around(turn, "words", before), opens, self._around(turn, "reasoning", thought))
            return f"{''.join(whole)}{mark}{self._around(turn, 'words', answer)}"
        return self._around(turn, "words", content)

    def _call(self, turn: int, call: Mapping[str, Any]) -> dict[str, Any]:
        function = call["function"]
        name = self._around(turn, "calls", function["name"])
        return {**call, "function": {**function, "name": name, "arguments": self._value(turn, function["arguments"])}}

    def _value(self, turn: int, value: Any) -> Any:
        """The texts in it between anchors; names of arguments, numbers and the like stay as they are."""
        if isinstance(value, str):
            return self._around(turn, "calls", value)
        if isinstance(value, Mapping):
            return {name: self._value(turn, one) for name, one in value.items()}
        return [self._value(turn, one) for one in value] if isinstance(value, list) else value

    def _around(self, turn: int, what: What, words: str) -> str:
        """The words between two anchors; blanks around them stay outside, as templates take such off."""
        core = words.strip()
        if not core:
            return words
        before, _, after = words.partition(core)
        self.words[len(self.places)] = core
        begin = self._anchor(turn, what, begins=True, ends=False)
        return f"{before}{begin}{core}{self._anchor(turn, what, begins=False, ends=True)}{after}"

    def _anchor(self, turn: int, what: What, *, begins: bool, ends: bool) -> str:
        self.places.append(Place(turn, what, begins, ends))
        return f"{self._sign}{len(self.places) - 1}z"


def _not_found(messages: Sequence[Message], text: str) -> list[LeftOut]:
    """Words and reasoning that stand nowhere in `text`, as they are or as in JSON."""
    found = []
    for turn, message in enumerate(messages):
        said: list[tuple[What, str]] = [("words", words) for words in texts_of(message)]
        said += [("reasoning", message[name]) for name in REASONING[:1] if isinstance(message.get(name), str)]
        for what, words in said:
            core = words.strip()
            if core not in text and json.dumps(core, ensure_ascii=False)[1:-1] not in text:
                found.append(LeftOut(turn, message["role"], what))
    return found


def bare(message: Message) -> Message:
    """The turn without its reasoning."""
    return {name: value for name, value in message.items() if name not in REASONING}


def without_lost_reasoning(messages: list[Message], anchors: list[Anchor]) -> list[Message]:
    """The turns without the reasoning that has none of the anchors."""
    written = {anchor.place.turn for anchor in anchors if anchor.place.what == "reasoning"}
    return [message if turn in written else bare(message) for turn, message in enumerate(messages)]


def only(message: Message, written: set[What]) -> Message:
    """The turn with those of its words, reasoning and calls alone that are `written`."""
    kept = {name: value for name, value in message.items() if name != "tool_calls" or "calls" in written}
    if "words" not in written:
        kept["content"] = "" if isinstance(message["content"], str) else message["content"] and []
    return kept
