"""Rows that stand in the data before: equal ones by a digest of their text, nearly equal ones by MinHash"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xxhash

from cockpit.engine.data.conversation import Conversation, texts_of

Integers = np.ndarray[Any, np.dtype[Any]]

PERMUTATIONS, BANDS = 64, 16
"""Numbers of a signature; groups of them, of which nearly equal rows have at least one alike. datasketch's own index
has the same groups, and takes 6 KiB a row for them."""
ALIKE = 0.8
"""Share of the triples of words in two rows, taken together, that both have: from here on they are nearly equal."""
COMPARED = 50
"""The first rows of a group, with which the others are compared."""
_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\W぀-ヿ㐀-鿿가-힯]+")
"""A word, or a character of a script that writes no blanks between words."""


class Signatures:
    """Makes a row's signature: PERMUTATIONS numbers of 32 bits, of which two rows share about as many as of their
    triples of words. What the system says is no part of it: it is often the same in all rows."""

    def __init__(self) -> None:
        from datasketch import MinHash

        self._empty = MinHash(PERMUTATIONS, hashfunc=xxhash.xxh32_intdigest)

    def __call__(self, content: Conversation | str) -> bytes:
        """Little-endian, one after the other."""
        words = _WORD.findall(_text_of(content).lower())
        triples = {" ".join(words[at : at + 3]).encode(errors="replace") for at in range(max(1, len(words) - 2))}
        made = self._empty.copy()
        made.update_batch(sorted(triples))
        return bytes(made.hashvalues.astype("<u4").tobytes())


def repeated(digests: Integers) -> Integers:
    """Whether each row stands before, as a bool a row; the first of equal rows does not."""
    again = np.ones(len(digests), bool)
    again[np.unique(digests, return_index=True)[1]] = False
    return again


def nearly_equal(signatures: Integers) -> Integers:
    """Of each row, [rows, PERMUTATIONS], the first one that it is nearly equal to, or equal; itself where there is none
    before."""
    first = np.arange(len(signatures))
    width = PERMUTATIONS // BANDS
    for band in range(BANDS):
        part = np.ascontiguousarray(signatures[:, band * width : (band + 1) * width])
        keys = part.view([("", part.dtype)] * width).ravel()
        order = np.argsort(keys, kind="stable")
        begins = np.flatnonzero(np.concatenate([[True], keys[order][1:] != keys[order][:-1]]))
        sizes = np.diff(np.append(begins, len(keys)))
        for begin, size in zip(begins[sizes > 1], sizes[sizes > 1], strict=True):
            _join(first, signatures, order[begin : begin + size])
    while (first[first] != first).any():
        first = first[first]
    return first


def _join(first: Integers, signatures: Integers, rows: Integers) -> None:
    """Let each of `rows`, ascending, be nearly equal to the first of those before it that it is alike."""
    for at, row in enumerate(rows[1:], 1):
        if first[row] != row:
            continue
        before = rows[: min(at, COMPARED)]
        alike = (signatures[before] == signatures[row]).mean(axis=1) >= ALIKE
        if alike.any():
            first[row] = before[int(np.argmax(alike))]


def _text_of(content: Conversation | str) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part for turn in content.messages if turn["role"] != "system" for part in texts_of(turn))
