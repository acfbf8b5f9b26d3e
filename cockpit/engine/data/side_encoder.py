"""Pairs of answers, and answers with a mark -> tokens and labels: a row for each side"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import xxhash

from cockpit.engine.data.conversation import Content, Conversation, Marked, Pair, best_of
from cockpit.engine.data.duplicates import Signatures
from cockpit.engine.data.encoder import EncodedRow, Encoder, Say
from cockpit.engine.data.long_rows import FittingEncoder
from cockpit.engine.data.preferences import EQUAL
from cockpit.engine.data.prompts import PromptEncoder
from cockpit.engine.data.token_rows import BETTER, IGNORED, WORSE
from cockpit.recipe.recipe import Recipe

BEYOND = "no token of an answer stands within its first"
"""How a refusal begins for want of room."""
SIDES = (", chosen", ", rejected")
"""Between where a pair stands, and which of its answers it is."""


class FitsRows(Protocol):
    """Encodes rows, each as one that fits, or as several that belong together."""

    def __init__(self, recipe: Recipe, tokenizer: Any, length: int, say: Say, *, near: bool) -> None: ...
    def encode(self, batch: list[tuple[str, Content]]) -> Iterator[list[EncodedRow]]: ...


def encoder_for(recipe: Recipe) -> type[FitsRows]:
    """What encodes the rows of the recipe's method."""
    if recipe.kind.rows == "prompts":
        return PromptEncoder
    return SideEncoder if recipe.kind.has_sides else FittingEncoder


class SideEncoder:
    """Encodes pairs, the better answer before the worse, and answers with a mark."""

    def __init__(self, recipe: Recipe, tokenizer: Any, length: int, say: Say, *, near: bool) -> None:
        """As a FittingEncoder; a loss is taken on answers alone."""
        self._encoder = Encoder(recipe, tokenizer, None, say)
        self._drops = recipe.data.long_rows == "drop"
        self._length = length
        self._signature = Signatures() if near else lambda content: b""

    def encode(self, batch: list[tuple[str, Content]]) -> Iterator[list[EncodedRow]]:
        """The one or two sides of each row; one that cannot be trained on comes too. Raises RunFailure."""
        sides: list[tuple[str, Conversation | str]] = []
        for number, (_, content) in enumerate(batch):
            sides += [(f"{number} {side}", one) for side, one in enumerate(_sides(content))]
        encoded: dict[str, EncodedRow] = {row.where: row for row in self._encoder.encode(sides)}
        for number, (where, content) in enumerate(batch):
            rows = [encoded[f"{number} {side}"] for side in range(len(_sides(content)))]
            yield self._fitted(where, content, rows)

    def _fitted(self, where: str, content: Content, rows: list[EncodedRow]) -> list[EncodedRow]:
        """The sides, cut to length; where one is refused, both are."""
        texts = [row.text for row in rows]
        is_pair = isinstance(content, Pair)
        better, worse = (BETTER, WORSE) if not isinstance(content, Marked) or content.desired else (WORSE, WORSE)
        if isinstance(content, Pair) and isinstance(content.chosen, str):
            rows = _after_the_same(rows)
        signature = b"" if any(row.refusal for row in rows) else self._signature(_sides(content)[0])
        found = [
            replace(
                self._cut(row),
                where=f"{where}{SIDES[at]}" if is_pair else where,
                digest=_digest(texts if is_pair else [*texts, str(better)]),
                mirror=_digest(texts[::-1]) if is_pair else 0,
                signature=signature,
                side=better if not at else worse,
                swapped=isinstance(content, Pair) and content.swapped,
            )
            for at, row in enumerate(rows)
        ]
        refusal = next((row.refusal for row in found if row.refusal), "")
        if not refusal and is_pair and found[0].input_ids == found[1].input_ids:
            refusal = EQUAL if texts[0] == texts[1] else "its answers are equal as far as they fit"
        dropped = any(row.is_dropped for row in found)
        return [replace(row, refusal=refusal, is_dropped=dropped) for row in found] if refusal else found

    def _cut(self, row: EncodedRow) -> EncodedRow:
        if row.refusal or len(row.input_ids) <= self._length:
            return row
        cut = replace(row, input_ids=row.input_ids[: self._length], labels=row.labels[: self._length])
        if self._drops:
            refusal = f"its {len(row.input_ids):,} tokens are more than {self._length:,}, and data.long_rows is drop"
            return replace(cut, refusal=refusal, is_dropped=True)
        if cut.is_untrained:
            return replace(cut, refusal=f"{BEYOND} {self._length:,} tokens")
        return cut


def _sides(content: Content) -> list[Conversation | str]:
    if isinstance(content, Pair):
        return [content.chosen, content.rejected]
    return [best_of(content)]


def _after_the_same(rows: list[EncodedRow]) -> list[EncodedRow]:
    """Two plain texts, with a loss on nothing that comes before they part."""
    one, other = (row.input_ids for row in rows)
    shared = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return [replace(row, labels=[IGNORED] * shared + row.labels[shared:]) for row in rows]


def _digest(texts: list[str]) -> int:
    return xxhash.xxh3_64_intdigest("\0".join(texts).encode(errors="replace"))
