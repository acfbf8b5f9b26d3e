"""Which words of two texts the other one lacks, in order: a diff by words"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Literal

MOST_WORDS = 1500
"""Of each text; what follows is not compared, as the time to do so grows with the square of it."""
_word = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\W\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]+|[^\w\s]")
"""A word, a sign, or one character of a script that parts no words by blanks."""

Span = tuple[int, int]
"""Characters from the first up to before the second."""
Piece = tuple[Literal["", "+", "-"], str]
"""Words that are in both texts, that are new, or that are gone, with the blanks before them."""


def word_diff(one: str, other: str) -> tuple[list[Span], list[Span]]:
    """The places in each text of the words that the other does not have there, those side by side joined."""
    ours, theirs = _words(one), _words(other)
    matcher = SequenceMatcher(None, [one[a:b] for a, b in ours], [other[a:b] for a, b in theirs], autojunk=False)
    left: list[Span] = []
    right: list[Span] = []
    for tag, begin, end, begin_there, end_there in matcher.get_opcodes():
        if tag != "equal":
            left += _joined(ours[begin:end])
            right += _joined(theirs[begin_there:end_there])
    return left, right


def pieces(before: str, text: str) -> list[Piece]:
    """What `text` is made of, all of it, and in between what of the text before is gone."""
    old, new = _words(before), _words(text)
    matcher = SequenceMatcher(None, [before[a:b] for a, b in old], [text[a:b] for a, b in new], autojunk=False)
    found: list[Piece] = []
    for tag, begin, end, begin_there, end_there in matcher.get_opcodes():
        if tag == "equal":
            found.append(("", _chunk(text, new, begin_there, end_there)))
            continue
        if begin < end:
            found.append(("-", _chunk(before, old, begin, end)))
        if begin_there < end_there:
            found.append(("+", _chunk(text, new, begin_there, end_there)))
    rest = text[new[-1][1] :] if new else text
    return [*found, ("", rest)] if rest else found


def _chunk(text: str, words: list[Span], begin: int, end: int) -> str:
    return text[words[begin - 1][1] if begin else 0 : words[end - 1][1]]


def is_whole(text: str) -> bool:
    """Whether all of it is compared."""
    return next((False for at, _ in enumerate(_word.finditer(text)) if at >= MOST_WORDS), True)


def _words(text: str) -> list[Span]:
    found: list[Span] = []
    for word in _word.finditer(text):
        if len(found) == MOST_WORDS:
            break
        found.append(word.span())
    return found


def _joined(spans: list[Span]) -> list[Span]:
    return [(spans[0][0], spans[-1][1])] if spans else []
