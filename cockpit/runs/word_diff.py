"""What has changed between two texts, word by word"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Literal

MOST_COMPARED = 800
"""Words of a text; what comes after them is not compared: two long texts take time by the square."""
Piece = tuple[Literal["", "+", "-"], str]
"""Words that are in both texts, that are new, or that are gone."""

_words = re.compile(r"\s*\S+\s*$|\s*\S+")


def word_diff(before: str, text: str) -> list[Piece]:
    """The pieces of which the text is made, and those of the text before that are gone, in their order."""
    old, new = _words.findall(before), _words.findall(text)
    matcher = SequenceMatcher(None, old[:MOST_COMPARED], new[:MOST_COMPARED], autojunk=False)
    found: list[Piece] = []
    for _, old_from, old_to, begin, end in matcher.get_opcodes():
        gone, there = "".join(old[old_from:old_to]), "".join(new[begin:end])
        if gone == there:
            found.append(("", there))
            continue
        if gone:
            found.append(("-", gone))
        if there:
            found.append(("+", there))
    rest = "".join(new[MOST_COMPARED:])
    return [*found, ("", rest)] if rest else found
