"""Reasoning that a chat template leaves out of earlier answers, put back where the template would have it"""

from __future__ import annotations

import re
from collections.abc import Callable

from cockpit.engine.data.anchors import LeftOut, Read
from cockpit.engine.data.answer_spans import Answer
from cockpit.engine.data.conversation import texts_of
from cockpit.engine.data.markers import Render
from cockpit.engine.data.message import THOUGHTS, Message

OPENS, CLOSES = "<think>", "</think>"
"""What nearly all models put around their reasoning."""
_VARIABLE = re.compile(r"\b\w*(?:think|reason)\w*\b")
_THOUGHTS = ("Thought7319 one", "Thought7319 two")
TURNS: list[Message] = [
    {"role": "user", "content": "Question7319 one"},
    {"role": "assistant", "content": "Answer7319 one", **dict.fromkeys(THOUGHTS, _THOUGHTS[0])},
    {"role": "user", "content": "Question7319 two"},
    {"role": "assistant", "content": "Answer7319 two", **dict.fromkeys(THOUGHTS, _THOUGHTS[1])},
]
"""Two answers, each with its reasoning."""
Alone = Callable[[int], tuple[Read, list[Answer]] | None]
"""A turn -> the conversation as far as that turn, as it is written, with its answers; None where that is not told."""


def keeping_variable(render: Render, source: str) -> dict[str, bool]:
    """A variable of the template, by which it writes all reasoning and nothing else otherwise, such as
    preserve_thinking; empty where it has none. `source` is its text."""
    bare = [{name: value for name, value in turn.items() if name not in THOUGHTS} for turn in TURNS]
    for name in dict.fromkeys(_VARIABLE.findall(source)):
        for value in (True, False):
            try:
                if all(thought in render(TURNS, **{name: value}) for thought in _THOUGHTS) and render(
                    bare, **{name: value}
                ) == render(bare):
                    return {name: value}
            except Exception:
                break
    return {}


def with_reasoning(
    messages: list[Message], read: Read, answers: list[Answer], left_out: list[LeftOut], alone: Alone, *, has_tags: bool
) -> tuple[str, list[Answer], list[LeftOut]]:
    """The text, its answers, and what is left out of it now: each answer begins as where it is the last one, with its
    reasoning. Where the template never writes any, and yet speaks of <think> (`has_tags`: R1), it stands between these
    marks, as its generation prompt opens it. That of an answer without words stays left out.
    """
    text, still, moved = read.text, [], list(answers)
    for one in reversed(left_out):
        at = next((at for at, answer in enumerate(moved) if answer.turn == one.turn), None)
        head = first = None
        if one.what == "reasoning" and at is not None:
            begin = answers[at].begin
            here = (anchor for anchor in read.anchors if anchor.place.turn == one.turn and anchor.at >= begin)
            first = next(here, None)
        if first is not None:
            head = _as_last(one.turn, first.number, alone)
            if head is None and has_tags:
                head = _between_tags(messages[one.turn]) + text[begin : first.at].lstrip()
        if head is None or first is None or at is None:
            still.append(one)
            continue
        text = text[:begin] + head + text[first.at :]
        longer = len(head) - (first.at - begin)
        moved[at] = moved[at]._replace(end=moved[at].end + longer)
        moved[at + 1 :] = [
            answer._replace(begin=answer.begin + longer, end=answer.end + longer) for answer in moved[at + 1 :]
        ]
    return text, moved, still[::-1]


def _as_last(turn: int, number: int, alone: Alone) -> str | None:
    """What stands before the anchor `number` in the answer of `turn` where that is the last one, its reasoning among
    it; None where there is none."""
    found = alone(turn)
    if found is None:
        return None
    read, answers = found
    begin = next((answer.begin for answer in answers if answer.turn == turn), None)
    at = {anchor.number: anchor.at for anchor in read.anchors}
    thinks = any(anchor.place[:2] == (turn, "reasoning") for anchor in read.anchors)
    return read.text[begin : at[number]] if begin is not None and thinks and number in at else None


def _between_tags(message: Message) -> str:
    """The reasoning of a turn as models write it, up to its answer."""
    thought = next((str(message[name]) for name in THOUGHTS if message.get(name)), None)
    if thought is not None:
        return f"{OPENS}\n{thought.strip()}\n{CLOSES}\n\n"
    content = "".join(texts_of(message))
    _, _, answer = content.rpartition(CLOSES)
    head = content[: len(content) - len(answer.lstrip())]
    return head if OPENS in head else f"{OPENS}\n{head}"
