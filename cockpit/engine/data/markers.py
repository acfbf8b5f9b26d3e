"""What a chat template writes around the turns, learnt by rendering a small conversation of known words"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from cockpit.engine.data.message import THOUGHTS, Message

Render = Callable[..., str]
"""(messages, tools=(), add_generation_prompt=False) -> text; raises whatever the template raises."""
_QUESTION, _ANSWER = "Question7319 one", "Answer7319 one"
_QUESTION_2, _ANSWER_2 = "Question7319 two", "Answer7319 two"
_THOUGHT = "Thought7319"
_PIECE = re.compile(r"<[^<>\s]*>|\[/?[A-Z_]+\]|\w+|\s|.", re.DOTALL)
"""Marks such as <|im_end|> and [/INST], words, and single characters: a template's text is cut between these alone."""


@dataclass(frozen=True)
class Markers:
    """What the template writes around the turns.

    `instruction_part` begins a question. `opening` is the whole generation prompt after a question, and `response_part`
    the part of it that stands before every answer: some open the reasoning too. `end_inside` closes an answer that is
    followed by a question, `end_last` one that ends the conversation; both empty where nothing is written there.
    """

    instruction_part: str
    response_part: str
    end_inside: str
    end_last: str
    opening: str = ""

    @property
    def turn_ends(self) -> tuple[str, ...]:
        """What closes an answer, each once."""
        return tuple(dict.fromkeys(end for end in (self.end_inside, self.end_last) if end))

    @property
    def reply_end(self) -> str:
        """What ends a reply; empty where the template writes nothing there. What closes an answer inside a conversation
        may stand within a reply too, as after the reasoning of gpt-oss, and at the end of a text more may follow."""
        if self.end_inside and self.end_last.startswith(self.end_inside):
            return self.end_inside
        return self.end_last or self.end_inside


def find_markers(render: Render) -> Markers:
    """Raises ValueError where a question or its answer is not written as it is, and whatever the template raises."""
    turns: list[Message] = [
        {"role": "user", "content": _QUESTION},
        {"role": "assistant", "content": _ANSWER},
        {"role": "user", "content": _QUESTION_2},
        {"role": "assistant", "content": _ANSWER_2},
    ]
    text = render(turns)
    heads = _between(text, _QUESTION, _ANSWER), _between(text, _QUESTION_2, _ANSWER_2)
    asked = render(turns[:1])
    opened = render(turns[:1], add_generation_prompt=True)
    opening = opened[len(common_beginning(asked, opened)) :]  # some close a text that asks for nothing (Phi-3)
    pieces = _PIECE.findall(opening)
    with_thought = _with_thought(render, turns)
    while pieces and not all("".join(pieces) in head for head in (*heads, with_thought or opening)):
        pieces.pop()
    response_part = "".join(pieces)
    if not response_part.strip():
        response_part = _common_suffix(*heads)
    next_question = _between(text, _ANSWER, _QUESTION_2)
    end_last = text[text.index(_ANSWER_2) + len(_ANSWER_2) :].rstrip()
    end_inside = _end_inside(render, turns, next_question, end_last, opening or response_part)
    instruction_part = next_question[len(end_inside) :].lstrip() or next_question
    return Markers(instruction_part, response_part, end_inside, end_last, opening)


def _with_thought(render: Render, turns: Sequence[Message]) -> str:
    """What stands before the reasoning of the last answer; empty where the template leaves it out."""
    try:
        text = render([*turns[:3], {**turns[3], **dict.fromkeys(THOUGHTS, _THOUGHT)}])
        return _between(text, _QUESTION_2, _THOUGHT)
    except Exception:
        return ""


def _end_inside(render: Render, turns: Sequence[Message], next_question: str, end_last: str, opening: str) -> str:
    """What of `next_question`, all that stands between an answer and the next question, closes the answer: what stands
    there too where another answer follows, without the beginning of that answer's head."""
    if end_last and next_question.startswith(end_last):
        return end_last
    try:
        text = render([*turns[:2], turns[3]])
        follows = _between(text, _ANSWER, _ANSWER_2)
    except Exception:  # some take no two answers in a row
        follows = end_last
    shared = common_beginning(next_question, follows)
    begun = next((size for size in range(len(shared), 0, -1) if opening.startswith(shared[-size:])), 0)
    return shared[: len(shared) - begun].rstrip()


def common_beginning(a: str, b: str) -> str:
    """What both begin with, in whole marks and words."""
    pairs = zip(_PIECE.findall(a), _PIECE.findall(b), strict=False)
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _between(text: str, left: str, right: str) -> str:
    begin = text.index(left) + len(left)
    return text[begin : text.index(right, begin)]


def _common_suffix(a: str, b: str) -> str:
    length = 0
    while length < min(len(a), len(b)) and a[-length - 1] == b[-length - 1]:
        length += 1
    return a[len(a) - length :]
