"""Random conversations, each made twice: once with real words, once with words that only it has"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from typing import Any

from cockpit.engine.data.conversation import Conversation

Message = dict[str, Any]
PLAIN = [
    "what",
    "is",
    "the",
    "name",
    "of",
    "a",
    "colour",
    "day",
    "animal",
    "one",
    "two",
    "three",
    "red",
    "blue",
    "cat",
    "dog",
    "yes",
    "no",
    "4",
    "17,5",
]
UNICODE = ["grüße", "🦜🏴‍☠️", "日本語", "שלום", "e\u0301te\u0301", "“quoted”", "a\u00a0b", "Straße", "👩‍👩‍👧"]
MARKS = [
    "<|im_end|>\n<|im_start|>user\n",
    "<|im_start|>assistant\n",
    "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
    "<end_of_turn>\n<start_of_turn>model\n",
    "<turn|>\n<|turn>model\n",
    "[INST] x [/INST]",
    "</s>",
    "<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|assistant|>\n",
    "<|user|>\n",
    "<｜Assistant｜>",
    "<｜end▁of▁sentence｜>",
    "### Response:\n",
    "ASSISTANT:",
    "<tool_call>\n{}\n</tool_call>",
    '"}}',
    "{{ x }}{% y %}",
]
"""What templates write around turns."""
KEYS = ["town", "a_key", "units", "q"]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather.",
            "parameters": {
                "type": "object",
                "properties": {"town": {"type": "string", "description": "where"}},
                "required": ["town"],
            },
        },
    },
    {
        "type": "function",
        "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {}}},
    },
]
WORD = 3
"""Characters of a word that nothing else has."""
FIRST = 0x4E00


def own_word(slot: int) -> str:
    """Three characters that no other slot has."""
    return "".join(chr(FIRST + slot * WORD + at) for at in range(WORD))


@dataclass
class Twice:
    """A conversation by its slots: `owner[slot]` is the turn, `words[slot]` what really stands there."""

    real: Conversation
    own: Conversation
    owner: list[int]
    words: list[str]
    kinds: set[str] = field(default_factory=set)


def without_blanks(pair: Twice) -> Conversation:
    """The conversation with words of its own, but for blanks where there really are blanks."""
    blank = {own_word(slot): words for slot, words in enumerate(pair.words) if not words.strip()}
    messages = [{**turn, "content": blank.get(turn["content"], turn["content"])} for turn in pair.own.messages]
    return replace(pair.own, messages=messages)


class Maker:
    """Makes conversations from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def conversation(self) -> Twice:
        """1 to 8 questions, their answers, and what lies between."""
        draw = self._random
        self._owner: list[int] = []
        self._words: list[str] = []
        self._real: list[Message] = []
        self._own: list[Message] = []
        self._kinds = {
            kind for kind in ("system", "tools", "reasoning", "tags", "rows", "hard") if draw.random() < 0.35
        }
        if "tags" in self._kinds:
            self._kinds.discard("reasoning")
        if draw.random() < 0.6:
            self._kinds.discard("rows")
        if "system" in self._kinds:
            self._turn("system")
        for _ in range(draw.randint(1, 8) if draw.random() < 0.5 else draw.randint(1, 3)):
            self._exchange()
        tools = TOOLS if "tools" in self._kinds else []
        return Twice(
            Conversation(self._real, tools), Conversation(self._own, tools), self._owner, self._words, self._kinds
        )

    def _exchange(self) -> None:
        draw = self._random
        self._turn("user")
        if "rows" in self._kinds and draw.random() < 0.3:
            self._turn("user")
        if "tools" in self._kinds:
            for _ in range(draw.choice((0, 1, 1, 2))):
                self._calls()
        self._turn("assistant")
        if "rows" in self._kinds and draw.random() < 0.4:
            self._turn("assistant")

    def _calls(self) -> None:
        """A turn that calls, and what the tools return."""
        draw = self._random
        count = 2 if draw.random() < 0.25 else 1
        real, own = self._message("assistant", words=draw.random() < 0.25)
        pairs = [self._call(f"call{len(self._real)}{number}abcd"[:9]) for number in range(count)]
        real["tool_calls"], own["tool_calls"] = [one for one, _ in pairs], [one for _, one in pairs]
        self._add(real, own)
        for number in range(count):
            of_call = {"tool_call_id": pairs[number][0]["id"], "name": pairs[number][0]["function"]["name"]}
            self._turn("tool", **of_call)

    def _call(self, name: str) -> tuple[Message, Message]:
        draw = self._random
        real: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key in draw.sample(KEYS, draw.randint(1, 3)):
            if real and draw.random() < 0.4:
                real[key] = own[key] = draw.choice((5, -0.25, True, None, [1, 2]))
            else:
                real[key], own[key] = self._slot(self._argument())
        function = draw.choice(TOOLS)["function"]
        calls = [
            {"id": name, "type": "function", "function": {"name": function["name"], "arguments": given}}  # type: ignore[index]
            for given in (real, own)
        ]
        return calls[0], calls[1]

    def _argument(self) -> str:
        return self._random.choice((*PLAIN, *UNICODE, 'with "quotes"', "two\nlines", "it's", "a\\b"))

    def _turn(self, role: str, **more: Any) -> None:
        real, own = self._message(role)
        self._add({**real, **more}, {**own, **more})

    def _add(self, real: Message, own: Message) -> None:
        self._real.append(real)
        self._own.append(own)

    def _message(self, role: str, *, words: bool = True) -> tuple[Message, Message]:
        real: Message = {"role": role, "content": ""}
        own: Message = {"role": role, "content": ""}
        thinks = role == "assistant" and words and self._kinds & {"reasoning", "tags"} and self._random.random() < 0.6
        if words:
            said = self._plain() if thinks and "tags" in self._kinds else self._said(role)
            real["content"], own["content"] = self._slot(said)
        if thinks:
            thought, own_thought = self._slot(self._plain())
            if "reasoning" in self._kinds:
                names = ("reasoning_content", "thinking")
                real |= dict.fromkeys(names, thought)
                own |= dict.fromkeys(names, own_thought)
            else:
                real["content"] = f"<think>\n{thought}\n</think>\n\n{real['content']}"
                own["content"] = f"<think>\n{own_thought}\n</think>\n\n{own['content']}"
        return real, own

    def _slot(self, words: str) -> tuple[str, str]:
        self._owner.append(len(self._real))
        self._words.append(words)
        return words, own_word(len(self._words) - 1)

    def _said(self, role: str) -> str:
        draw = self._random
        if "hard" not in self._kinds or role == "system":
            return self._plain()
        kind = draw.random()
        before = [word for word in self._words if word.strip()] or ["yes"]
        if kind < 0.2:
            return draw.choice(before)
        if kind < 0.35:
            return f"{self._plain()} {draw.choice(before)}{self._plain()}"
        if kind < 0.55:
            return f"{self._plain()} {draw.choice(MARKS)}{self._plain()}"
        if kind < 0.65:
            return draw.choice(MARKS) + self._plain()
        if kind < 0.75:
            return self._plain() + draw.choice(MARKS)
        if kind < 0.8:
            return draw.choice(MARKS)
        if kind < 0.88:
            return draw.choice(("", "", " ", "\n"))
        if kind < 0.95:
            return draw.choice((" ", "\n", "")) + self._plain() + draw.choice((" ", "\n\n", "  "))
        return json.dumps({"x": self._plain()})

    def _plain(self) -> str:
        draw = self._random
        return " ".join(draw.choice(PLAIN if draw.random() < 0.8 else UNICODE) for _ in range(draw.randint(1, 6)))
