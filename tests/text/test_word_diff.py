"""Which words differ between two texts, where they stand, and that odd texts are compared too."""

from __future__ import annotations

import pytest

from cockpit.text.word_diff import MOST_WORDS, pieces, word_diff


def differing(one: str, other: str) -> tuple[list[str], list[str]]:
    left, right = word_diff(one, other)
    return [one[a:b] for a, b in left], [other[a:b] for a, b in right]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("It is 5.", "It is 5.", ([], [])),
        ("It is 5.", "Arr, it be 5!", (["It is", "."], ["Arr, it be", "!"])),
        ("a  b\nc", "a b c", ([], [])),  # blanks are no words
        ("", "all new", ([], ["all new"])),
        ("你好世界", "你们世界", (["好"], ["们"])),
        ("שלום עולם", "שלום חבר", (["עולם"], ["חבר"])),
        ("cafe\u0301 au lait", "cafe\u0301 noir", (["au lait"], ["noir"])),
    ],
)
def test_the_words_that_the_other_lacks(one: str, other: str, expected: tuple[list[str], list[str]]) -> None:
    assert differing(one, other) == expected


def test_what_is_longer_than_can_be_compared_is_left_alone() -> None:
    same = "word " * MOST_WORDS
    assert differing(same + "end", same + "other end") == ([], [])


@pytest.mark.parametrize(
    ("before", "text", "made_of"),
    [
        ("a b c", "a b c", [("", "a b c")]),
        ("a b c", "a x c", [("", "a"), ("-", " b"), ("+", " x"), ("", " c")]),
        ("", "a b", [("+", "a b")]),
        ("a b", "", [("-", "a b")]),
        ("a, b", "a\n\nb \n", [("", "a"), ("-", ","), ("", "\n\nb"), ("", " \n")]),
        ("  ", " \n", [("", " \n")]),
    ],
)
def test_what_a_text_is_made_of(before: str, text: str, made_of: list[tuple[str, str]]) -> None:
    found = pieces(before, text)
    assert found == made_of
    assert "".join(words for mark, words in found if mark != "-") == text
