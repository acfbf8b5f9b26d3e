"""Whether a text goes round in circles, as small models do"""

from __future__ import annotations

import re

LONGEST_PHRASE = 40
"""Words of a phrase that may stand several times in a row."""
LINE_WORDS = 5
"""Words of a line that may not stand twice."""
_pieces = re.compile(r"(\S{1,20}?)\1{7,}")


def repeated(text: str) -> str:
    """What stands again and again: a word four times in a row, a phrase three times, a line of LINE_WORDS words twice,
    or, in a script without blanks, up to 20 letters eight times. Empty where nothing does."""
    return _phrase(text.split()) or _line(text) or _letters(text)


def _phrase(words: list[str]) -> str:
    """The shortest, the first of these."""
    plain = [word.strip(".,;:!?\"'()").casefold() or word for word in words]
    for size in range(1, min(LONGEST_PHRASE, len(words) // 3) + 1):
        equal, needed = 0, size * (3 if size == 1 else 2)
        for at in range(size, len(plain)):
            equal = equal + 1 if plain[at] == plain[at - size] else 0
            if equal == needed and _has_letters(plain[at - size + 1 : at + 1]):
                begin = at - size + 1
                return " ".join(words[begin : begin + size])
    return ""


def _line(text: str) -> str:
    seen: set[str] = set()
    for line in text.splitlines():
        plain = " ".join(line.split())
        if len(plain.split(" ")) >= LINE_WORDS and plain.casefold() in seen and _has_letters([plain]):
            return plain
        seen.add(plain.casefold())
    return ""


def _letters(text: str) -> str:
    return next((found[1] for found in _pieces.finditer(text) if _has_letters([found[1]])), "")


def _has_letters(words: list[str]) -> bool:
    """Rules of dashes and rows of a table are no repetition."""
    return any(char.isalpha() for word in words for char in word)
