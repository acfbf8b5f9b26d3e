"""The first rows of a recipe's data, as training would have them, for the report"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cockpit.engine.data.conversation import best_of
from cockpit.engine.data.duplicates import nearly_equal, repeated
from cockpit.engine.data.encoder import EncodedRow, Say
from cockpit.engine.data.encoding import batches
from cockpit.engine.data.long_rows import PIECE
from cockpit.engine.data.prepare import image_rows, max_tokens
from cockpit.engine.data.row_reader import RowReader
from cockpit.engine.data.side_encoder import encoder_for
from cockpit.engine.data.token_rows import IGNORED, NO_SIDE, Integers
from cockpit.recipe.recipe import Recipe

NO_NUMBER = -1


@dataclass(frozen=True)
class LookedRow:
    """A row, or a piece of one, as tokens, with its images where it has some. `number`: among the rows taken."""

    encoded: EncodedRow
    number: int
    images: int = 0
    image_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Of what is left of it."""
        return len(self.encoded.input_ids) + self.image_tokens

    @property
    def whole_tokens(self) -> int:
        """Before the cut."""
        return self.encoded.whole_tokens + self.image_tokens

    @property
    def trained_tokens(self) -> int:
        """Tokens that a loss is taken on."""
        return sum(label != IGNORED for label in self.encoded.labels[1:])


@dataclass
class LookedRows:
    """What has become of the rows. `shown` has those too that are left out and can be shown."""

    shown: list[LookedRow] = field(default_factory=list)
    split: int = 0
    """Rows of which several pieces are made."""
    has_signatures: bool = False

    @property
    def taken(self) -> list[LookedRow]:
        """Those that are of use."""
        return [row for row in self.shown if not row.encoded.refusal]

    @property
    def count(self) -> int:
        """Rows that are of use, however many pieces they have."""
        return len({row.number for row in self.taken})

    @property
    def numbers(self) -> Integers:
        """Of each row that is of use."""
        return np.asarray([row.number for row in self.taken], np.int64)

    @property
    def digests(self) -> Integers:
        """Likewise."""
        return np.asarray([row.encoded.digest for row in self.taken], np.uint64)

    def is_swapped(self, row: LookedRow) -> bool:
        """Whether a pair is the other way round by its own scores, or stands so elsewhere among the rows."""
        return row.encoded.swapped or (row.encoded.mirror != 0 and row.encoded.mirror in self._pairs)

    @functools.cached_property
    def _pairs(self) -> frozenset[int]:
        return frozenset(row.encoded.digest for row in self.taken if row.encoded.mirror)

    def signatures(self) -> Integers:
        """Likewise, [rows, 64]."""
        return np.frombuffer(b"".join(row.encoded.signature for row in self.taken), "<u4").reshape(len(self.taken), -1)

    def duplicates(self) -> tuple[int, dict[int, str]]:
        """How many rows equal one before; and by its number, of each of them and of those that nearly equal one, where
        that stands. Nearly equal ones are looked for among texts alone."""
        first = np.unique(self.numbers, return_index=True)[1]
        digests = self.digests[first]
        _, begins, again = np.unique(digests, return_index=True, return_inverse=True)
        earlier = begins[again]
        if self.has_signatures and len(first):
            near = nearly_equal(self.signatures()[first])
            earlier = np.where(earlier == np.arange(len(first)), near, earlier)
        taken = self.taken
        places = {number: taken[first[at]].encoded.where for number, at in enumerate(earlier.tolist()) if at != number}
        return int(repeated(digests).sum()), places


def look_at_texts(recipe: Recipe, tokenizer: Any, reader: RowReader, say: Say) -> LookedRows:
    """Rows of conversations and texts."""
    encoder = encoder_for(recipe)(recipe, tokenizer, max_tokens(recipe), say, near=True)
    found = LookedRows(has_signatures=True)
    number = 0
    for batch in batches((row.where, row.content) for row in reader.read()):
        for pieces in encoder.encode(batch):
            for row in pieces:
                if row.refusal and (row is pieces[0] or not row.side):
                    (reader.leave_out if row.is_dropped else reader.refuse)(row.where, row.refusal)
                if row.text or not row.refusal:
                    found.shown.append(LookedRow(row, number))
            is_taken = any(not row.refusal for row in pieces)
            number += is_taken
            found.split += is_taken and len(pieces) > 1 and pieces[0].side == NO_SIDE
    return found


def look_elsewhere(recipe: Recipe, tokenizer: Any, places: Set[str]) -> list[LookedRow]:
    """The rows, or pieces of rows, that stand at `places`, however far from the beginning; those that are not there any
    more are left out. They count for nothing else, and have no number."""
    found: list[LookedRow] = []
    left = {place.split(PIECE)[0] for place in places}
    if not left:
        return found
    encoder = encoder_for(recipe)(recipe, tokenizer, max_tokens(recipe), lambda sentence: None, near=False)
    every = recipe.model_copy(update={"data": recipe.data.model_copy(update={"on_bad_row": "skip"})})
    for row in RowReader(every, lambda sentence: None).read():
        if row.where in left:
            left.discard(row.where)
            pieces = next(encoder.encode([(row.where, row.content)]))
            found += [LookedRow(one, NO_NUMBER) for one in pieces if one.where in places and not one.refusal]
        if not left:
            break
    return found


def look_at_images(recipe: Recipe, tokenizer: Any, processor: Any | None, reader: RowReader, say: Say) -> LookedRows:
    """Rows with images."""
    return LookedRows(list(_with_images(recipe, tokenizer, processor, reader, say)))


def _with_images(
    recipe: Recipe, tokenizer: Any, processor: Any | None, reader: RowReader, say: Say
) -> Iterator[LookedRow]:
    rows = image_rows(recipe, tokenizer, processor, say)
    number = 0
    for read in reader.read():
        try:
            content = best_of(read.content)
            if isinstance(content, str):
                raise ValueError("it is a plain text among rows with images")
            row = rows.measured(content, read.folder)
        except (ValueError, OSError) as error:
            reader.refuse(read.where, str(error))
            continue
        if row.refusal:
            reader.refuse(read.where, row.refusal)
        encoded = EncodedRow(
            read.where,
            row.refusal,
            row.written.text,
            row.input_ids,
            row.labels,
            row.offsets,
            whole_tokens=len(row.input_ids),
            left_out=row.written.left_out,
            digest=rows.digest_of(row),
        )
        yield LookedRow(encoded, number, len(row.images), row.image_tokens)
        number += not row.refusal
