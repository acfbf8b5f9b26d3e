"""The chat template as training and chat both use it: rendering, and where in the text the answers stand."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cockpit.engine.data.conversation import THOUGHTS, Conversation, Message, texts_of
from cockpit.engine.data.deadline import deadline

RENDER_S = 20.0
"""The most that a conversation may take; usual ones take a thousandth of a second."""
_QUESTION, _ANSWER = "Question7319 one", "Answer7319 one"
_QUESTION_2, _ANSWER_2 = "Question7319 two", "Answer7319 two"
_TOOL, _RESULT = "probe7319", "Result7319"
_CALL: Message = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"type": "function", "function": {"name": _TOOL, "arguments": {"x": 1}}}],
}
_DECLARED = {"name": _TOOL, "description": "probe", "parameters": {"type": "object", "properties": {}}}


@dataclass(frozen=True)
class Markers:
    """What the template writes around the turns. `turn_ends` close an answer, inside a conversation and, the last of
    them, at its end."""

    instruction_part: str
    response_part: str
    turn_ends: tuple[str, ...]

    @property
    def reply_end(self) -> str:
        """What ends a reply; empty where the template writes nothing there. What closes an answer inside a conversation
        may stand within a reply too, as after the reasoning of gpt-oss."""
        return self.turn_ends[-1].strip() if self.turn_ends else ""


class ChatTemplate:
    """A tokenizer's template. Rendered text holds its own special tokens: none are added when it is tokenized."""

    def __init__(self, tokenizer: Any, instruction_part: str | None = None, response_part: str | None = None) -> None:
        """`tokenizer` has a chat_template. The parts are found where they are not given.

        Raises ValueError with a sentence where the template cannot render a question and its answer.
        """
        self._tokenizer = tokenizer
        try:
            self.markers = self._find_markers()
        except Exception as error:
            raise ValueError(f"The model's chat template cannot render a conversation: {error}") from error
        if instruction_part or response_part:
            self.markers = Markers(
                instruction_part or self.markers.instruction_part,
                response_part or self.markers.response_part,
                self.markers.turn_ends,
            )

    def render(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]] = ()) -> str:
        """The whole conversation, answers included. Raises whatever the template raises for turns it does not take."""
        return self._rendered(messages, **({"tools": list(tools)} if tools else {}))

    def _rendered(self, messages: Sequence[Message], **more: Any) -> str:
        """Raises DeadlinePassed where the template loops, and whatever else it raises."""
        with deadline(RENDER_S):
            return str(self._tokenizer.apply_chat_template(list(messages), tokenize=False, **more))

    def adapted(self, conversation: Conversation) -> Conversation:
        """The conversation as the template can write it. Where it knows no tools, they stand in the system turn as
        JSON, a call is its JSON as an answer, and what a tool returned is said by the user."""
        messages, tools, untrained = conversation.messages, conversation.tools, conversation.untrained
        if tools and not self._takes_tools:
            declared = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
            first = messages[0] if messages[0]["role"] == "system" else {"role": "system", "content": ""}
            words = "\n\n".join(filter(None, ("".join(texts_of(first)).strip(), f"Tools:\n{declared}")))
            added = first is not messages[0]
            messages = [{"role": "system", "content": words}, *messages[not added :]]
            untrained = frozenset(turn + added for turn in untrained)
            tools = []
        if not self._takes_calls:
            messages = [_call_in_words(message) if message.get("tool_calls") else message for message in messages]
        if not self._takes_results:
            messages = [{**turn, "role": "user"} if turn["role"] == "tool" else turn for turn in messages]
        return replace(conversation, messages=messages, tools=tools, untrained=untrained)

    def prompt(self, messages: list[Message], enable_thinking: bool) -> str:
        """The conversation up to where the model is to answer."""
        return self._rendered(messages, add_generation_prompt=True, enable_thinking=enable_thinking)

    def trained_spans(self, text: str, conversation: Conversation) -> list[tuple[int, int]]:
        """The answer_spans of `conversation` in `text`, its rendering, without those of its untrained turns."""
        answers = [turn for turn, message in enumerate(conversation.messages) if message["role"] == "assistant"]
        spans = zip(answers, self.answer_spans(text, conversation.messages), strict=False)
        return [span for turn, span in spans if turn not in conversation.untrained]

    def answer_spans(self, text: str, messages: list[Message]) -> list[tuple[int, int]]:
        """Where the answers stand in `text`, the rendering of `messages`: characters [begin, end), the end of the turn
        included and the marks before the answer left out. Blanks that end those marks are the answer's: tokenizers
        write a blank and the word after it as one token.

        Turns are walked in order and each turn's own words are stepped over, so that marks which a user has written
        are not taken for the template's.
        """
        spans = []
        at = 0
        for message in messages:
            words = list(texts_of(message))
            part = self.markers.response_part if message["role"] == "assistant" else self.markers.instruction_part
            header = text.find(part, at) if part else -1
            if message["role"] == "assistant":
                if header < 0:
                    break
                begin = header + len(part.rstrip(" "))
                at = self._turn_end(text, _after(text, words, self._after_thought(text, message, begin)))
                spans.append((begin, at))
            else:
                answer = text.find(self.markers.response_part, at)
                # A head beyond the next answer is another turn's: some templates write the system's words into the
                # first turn of the user, whose head is passed already.
                if message["role"] == "user" and header >= 0 and (answer < 0 or header < answer):
                    at = header + len(part)
                at = _after(text, words, at)
        return spans

    def _after_thought(self, text: str, message: Message, at: int) -> int:
        """Where the reasoning ends that stands in the turn from `at` on, and may hold the answer's words; `at` where
        the template leaves it out."""
        thought = next((str(message[name]).strip() for name in THOUGHTS if message.get(name)), "")
        question = text.find(self.markers.instruction_part, at) if self.markers.instruction_part else -1
        found = text.find(thought, at, question if question >= 0 else len(text)) if thought else -1
        return at if found < 0 else found + len(thought)

    def _turn_end(self, text: str, at: int) -> int:
        """The end of the turn whose words end at or before `at`."""
        parts = (self.markers.instruction_part, self.markers.response_part)
        heads = [head for head in (text.find(part, at) for part in parts if part.strip()) if head >= 0]
        next_turn = min(heads, default=len(text))
        found = [(text.find(end, at), end) for end in self.markers.turn_ends]
        ends = [begin + len(end) for begin, end in found if 0 <= begin < next_turn]
        return min(ends, default=at + len(text[at:next_turn].rstrip()))

    @functools.cached_property
    def _takes_tools(self) -> bool:
        asked: list[Message] = [{"role": "user", "content": _QUESTION}]
        return self._writes(_TOOL, asked, [{"type": "function", "function": _DECLARED}])

    @functools.cached_property
    def _takes_calls(self) -> bool:
        return self._writes(_TOOL, [{"role": "user", "content": _QUESTION}, _CALL])

    @functools.cached_property
    def _takes_results(self) -> bool:
        call = _CALL if self._takes_calls else _call_in_words(_CALL)
        turns = [{"role": "user", "content": _QUESTION}, call, {"role": "tool", "content": _RESULT}]
        return self._writes(_RESULT, [*turns, {"role": "assistant", "content": _ANSWER}])

    def _writes(self, words: str, messages: list[Message], tools: Sequence[dict[str, Any]] = ()) -> bool:
        """Whether the rendering holds `words`."""
        try:
            return words in self.render(messages, tools)
        except Exception:
            return False

    def _find_markers(self) -> Markers:
        turns: list[Message] = [
            {"role": "user", "content": _QUESTION},
            {"role": "assistant", "content": _ANSWER},
            {"role": "user", "content": _QUESTION_2},
            {"role": "assistant", "content": _ANSWER_2},
        ]
        text = self.render(turns)
        before_first_answer = _between(text, _QUESTION, _ANSWER)
        before_second_question = _between(text, _ANSWER, _QUESTION_2)
        before_second_answer = _between(text, _QUESTION_2, _ANSWER_2)
        tail = text[text.index(_ANSWER_2) + len(_ANSWER_2) :]

        asked = self.render(turns[:1])
        opened = self._rendered(turns[:1], add_generation_prompt=True)
        response = opened.removeprefix(asked) if opened.startswith(asked) else ""
        while response and not (response in before_first_answer and response in before_second_answer):
            response = response[:-1]
        if not response.strip():
            response = _common_suffix(before_first_answer, before_second_answer)
        return _markers(before_second_question, response, tail.rstrip())


def _markers(between_turns: str, response_part: str, last_end: str) -> Markers:
    """`between_turns` holds the end of an answer and the head of a question; `last_end` closes the last answer."""
    if between_turns.startswith(last_end):
        return Markers(between_turns[len(last_end) :].lstrip() or between_turns, response_part, _given(last_end))
    # The last answer ends otherwise (gpt-oss): the head begins where it looks most like the head of an answer.
    alike = [len(_common_prefix(between_turns[at:], response_part)) for at in range(len(between_turns))]
    head = alike.index(max(alike)) if alike else 0
    return Markers(between_turns[head:], response_part, _given(between_turns[:head].rstrip(), last_end))


def _given(*ends: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(end for end in ends if end.strip()))


def _call_in_words(message: Message) -> Message:
    calls = [json.dumps(call["function"], ensure_ascii=False) for call in message["tool_calls"]]
    words = "\n".join(filter(None, ("".join(texts_of(message)).strip(), *calls)))
    return {"role": "assistant", "content": words}


def _after(text: str, words: Sequence[str], at: int) -> int:
    """Where the last of `words` ends in `text` from `at` on; those that the template has rewritten are passed over."""
    for one in map(str.strip, words):
        found = text.find(one, at) if one else -1
        at = at if found < 0 else found + len(one)
    return at


def _between(text: str, left: str, right: str) -> str:
    begin = text.index(left) + len(left)
    return text[begin : text.index(right, begin)]


def _common_prefix(a: str, b: str) -> str:
    length = 0
    while length < min(len(a), len(b)) and a[length] == b[length]:
        length += 1
    return a[:length]


def _common_suffix(a: str, b: str) -> str:
    return _common_prefix(a[::-1], b[::-1])[::-1]
