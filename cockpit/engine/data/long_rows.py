"""Rows with more tokens than fit: cut, trained in pieces, or left out"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from operator import itemgetter
from typing import Any

import xxhash

from cockpit.engine.data.conversation import Content, Conversation, best_of
from cockpit.engine.data.duplicates import Signatures
from cockpit.engine.data.encoder import EncodedRow, Encoder, Say
from cockpit.engine.data.token_rows import IGNORED
from cockpit.recipe.recipe import Recipe

PIECE = ", piece "
"""Between where a row stands and which of its pieces it is."""
LEAST_NEW = 4
"""A piece has at least one new token of so many; where its head leaves no room for that, the row is cut."""


class FittingEncoder:
    """Encodes rows, and makes each fit as data.long_rows says."""

    def __init__(self, recipe: Recipe, tokenizer: Any, length: int, say: Say, *, near: bool) -> None:
        """`length`: the most tokens of a row, or of a piece of one. `near`: rows get signatures."""
        self._encoder = Encoder(recipe, tokenizer, None, say)
        self._policy = recipe.data.long_rows
        self._length = length
        self._signature = Signatures() if near else lambda content: b""
        # The first token of a piece is never predicted: one at least is read before what is new.
        self._overlap = max(1, length // 8 if recipe.data.overlap is None else recipe.data.overlap)

    def encode(self, batch: list[tuple[str, Content]]) -> Iterator[list[EncodedRow]]:
        """Each row as one that fits, or as its pieces. Those that cannot be trained on come too, some before their
        neighbours. Raises RunFailure."""
        numbered = [(str(number), best_of(content)) for number, (_, content) in enumerate(batch)]
        for row in self._encoder.encode(numbered):
            where, content = batch[int(row.where)][0], numbered[int(row.where)][1]
            digest = xxhash.xxh3_64_intdigest(row.text.encode(errors="replace"))
            signature = b"" if row.refusal else self._signature(content)
            placed = replace(row, where=where, digest=digest, signature=signature)
            yield [placed] if placed.refusal else self._fitted(placed, content)

    def _fitted(self, row: EncodedRow, content: Conversation | str) -> list[EncodedRow]:
        tokens = len(row.input_ids)
        if tokens <= self._length:
            return [self._cut(row)]
        policy = self._policy or ("split" if isinstance(content, str) else "truncate")
        if policy == "drop":
            refusal = f"its {tokens:,} tokens are more than {self._length:,}, and data.long_rows is drop"
            return [replace(self._cut(row), refusal=refusal, is_dropped=True)]
        pieces = self._pieces(row, content) if policy == "split" else []
        if len(pieces) < 2:
            return pieces or [self._cut(row)]
        names = [f"{row.where}{PIECE}{number} of {len(pieces)}" for number in range(1, len(pieces) + 1)]
        return [
            replace(one, where=name, digest=row.digest, signature=row.signature)
            for one, name in zip(pieces, names, strict=True)
        ]

    def _pieces(self, row: EncodedRow, content: Conversation | str) -> list[EncodedRow]:
        """Those of a row in which something is learnt; none where it cannot be split."""
        if isinstance(content, str):
            has_begin = row.labels[0] == IGNORED and row.offsets[0] == (0, 0)
            return self._parts(row, 1 if has_begin else 0)
        exchanges = _exchanges(content)
        if len(exchanges) == 1:
            return self._parts(row, _tokens_of_head(row))
        found: list[EncodedRow] = []
        for group in self._groups(content, exchanges):
            if group.text and group.is_untrained:
                continue  # nothing in it is to be learnt
            fits = group.refusal or len(group.input_ids) <= self._length
            found += [self._cut(group)] if fits else self._parts(group, _tokens_of_head(group)) or [self._cut(group)]
        return found

    def _groups(self, content: Conversation, exchanges: list[tuple[int, int]]) -> Iterator[EncodedRow]:
        """As many exchanges as fit into a row, after the system's turn, and then the next."""
        parts = [(str(number), _part(content, begin, end)) for number, (begin, end) in enumerate(exchanges)]
        singles = {int(one.where): one for one in self._encoder.encode([*parts])}
        shared = _shared(singles[0].input_ids, singles[1].input_ids)
        at = 0
        while at < len(exchanges):
            beyond, tokens = at + 1, len(singles[at].input_ids)
            while beyond < len(exchanges) and tokens + len(singles[beyond].input_ids) - shared <= self._length:
                tokens += len(singles[beyond].input_ids) - shared
                beyond += 1
            group = singles[at]
            while beyond > at + 1:
                joined = _part(content, exchanges[at][0], exchanges[beyond - 1][1])
                (group,) = self._encoder.encode([("", joined)])
                if not group.refusal and len(group.input_ids) <= self._length:
                    break
                beyond, group = beyond - 1, singles[at]
            yield group
            at = beyond

    def _parts(self, row: EncodedRow, head: int) -> list[EncodedRow]:
        """The row's tokens one after the other: each later part begins with the `head` first tokens of the row and with
        the last ones of the part before, which are read and not learnt again."""
        new = self._length - head - self._overlap
        if new * LEAST_NEW < self._length:
            return []
        found = [_part_of(row, 0, 0, 0, self._length)]
        for begin in range(self._length, len(row.input_ids), new):
            found.append(_part_of(row, head, begin - self._overlap, begin, begin + new))
        return [one for one in found if not one.is_untrained]

    def _cut(self, row: EncodedRow) -> EncodedRow:
        """The row as far as it fits; refused where nothing of that is learnt."""
        cut = row
        if len(row.input_ids) > self._length:
            cut = replace(row, input_ids=row.input_ids[: self._length], labels=row.labels[: self._length])
        if row.refusal or not cut.is_untrained:
            return cut
        return replace(cut, refusal=f"no token of an answer stands within its first {self._length:,} tokens")


def _part_of(row: EncodedRow, head: int, begin: int, new: int, end: int) -> EncodedRow:
    """The `head` first tokens, and those from `begin` to `end`, of which those from `new` on are learnt."""
    ids = row.input_ids[begin:end]
    text_begin, text_end = row.offsets[begin][0], row.offsets[begin + len(ids) - 1][1]
    head_end = row.offsets[head - 1][1] if head else 0
    moved = head_end - text_begin
    return replace(
        row,
        text=row.text[:head_end] + row.text[text_begin:text_end],
        input_ids=[*row.input_ids[:head], *ids],
        labels=[IGNORED] * (head + new - begin) + row.labels[new:end],
        offsets=[*row.offsets[:head], *((at + moved, to + moved) for at, to in row.offsets[begin:end])],
        whole_tokens=head + len(ids),
        left_out=[],
    )


def _tokens_of_head(row: EncodedRow) -> int:
    """Tokens before the first answer."""
    return bisect_right(row.offsets, row.head, key=itemgetter(1))


def _exchanges(content: Conversation) -> list[tuple[int, int]]:
    """Turns [begin, end) from a question to the last turn before the next one; the system's turns are in none."""
    roles = [turn["role"] for turn in content.messages]
    first = next((at for at, role in enumerate(roles) if role != "system"), 0)
    begins = [at for at in range(first + 1, len(roles)) if roles[at] == "user" and roles[at - 1] == "assistant"]
    return list(pairwise([first, *begins, len(roles)]))


def _part(content: Conversation, begin: int, end: int) -> Conversation:
    """The system's turns, and those from `begin` to `end`."""
    head = [turn for turn in content.messages[:begin] if turn["role"] == "system"]
    moved = frozenset(at - begin + len(head) for at in content.untrained if begin <= at < end)
    return replace(content, messages=[*head, *content.messages[begin:end]], untrained=moved)


def _shared(one: list[int], other: list[int]) -> int:
    """Tokens that both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
