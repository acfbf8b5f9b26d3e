"""What training will see of a recipe's data: figures, and samples token by token; no model is loaded for it"""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit.data.row_layout import INDEX
from cockpit.data.row_losses import HighRow, RowLosses
from cockpit.text import numbers


class Token(msgspec.Struct, frozen=True, array_like=True):
    """One token as it stands in its row. `text` is plain, with line feeds; empty where the token before has written
    the character that both are parts of."""

    text: str
    trained: bool
    """Whether a loss is taken on it."""
    special: bool = False
    """Whether it is a special token, such as <|im_start|>, which stands as itself."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One row, cut to length."""

    where: str
    """File and row."""
    tokens: list[Token]
    whole_tokens: int
    """Before the cut, those of images included."""
    padding: int = 0
    """Tokens that fill the row up to the longest of its batch, in one order of the rows."""
    images: int = 0
    image_tokens: int = 0
    """Tokens of the images, which are not among `tokens` but for a placeholder each."""
    held_out: bool = False
    """Whether the row is kept for evaluation."""
    refusal: str = ""
    """Why the row cannot be trained on; empty for all others."""
    before: str = ""
    """Where a row stands before that it equals, or nearly equals; empty where there is none."""
    loss: HighRow | None = None
    """Where its loss was high in a run."""
    side: Literal["", "better", "worse"] = ""
    """What the answer is to a method that compares answers: the better or the worse one of a pair, or by its mark."""
    swapped: bool = False
    """Whether the pair is the other way round by its own scores, or stands so elsewhere."""

    @property
    def trained_tokens(self) -> int:
        """Tokens that a loss is taken on."""
        return sum(token.trained for token in self.tokens)

    @property
    def is_truncated(self) -> bool:
        """Whether tokens were cut off."""
        return self.whole_tokens > len(self.tokens) + self.image_tokens


UnusedKind = Literal["column", "turn", "part", "row", "template"]
"""A column of rows; a key of their turns; a key of the parts of turns; something else of rows, in words; what the chat
template leaves out of its text."""


class NotUsed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that rows hold and training does not use; `rows` have it, nulls and empty values left out."""

    source: str
    """What errors call their source."""
    kind: UnusedKind
    name: str
    rows: int
    turns: int | None = None
    """Turns of these rows that have it, where they are counted."""

    @property
    def words(self) -> str:
        """What it is."""
        if self.kind == "template":
            return f"{self.name}, which the chat template leaves out,"
        if self.kind == "column" and INDEX.fullmatch(self.name):
            return f"pandas' index {self.name}"
        of = {"turn": " of turns", "part": " of parts of turns"}
        return f"{self.name}{of.get(self.kind, '')}"


class DataReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in the rows that were looked at; a `–` of the screen is None."""

    recipe: str
    model: str
    template: str
    """The chat template's name: model, or one of Unsloth's."""
    sources: list[str]
    """What each source is called, and the form of its rows."""

    rows_there: int | None
    """Rows that training takes in all; None where nobody has counted them."""
    rows_held: int | None
    """Rows of all sources, whether or not training takes them (max_rows, ratio); None where nobody has counted them."""
    rows_seen: int
    is_all: bool
    """Whether these are the very rows that training takes, not some from the beginning of each source."""
    train_rows: int
    """Of the rows that were looked at, those trained on."""
    held_out_rows: int | None
    """Of all rows, those held out for evaluation."""
    left_out_rows: int
    untrained_rows: int
    """Of the rows that are left out, those in which no token would be trained."""
    left_out: list[str]
    """The first rows that are left out, a sentence each."""
    not_used: list[NotUsed] = []
    """What the rows that were looked at hold beside what training takes of them."""
    stops: bool
    """Whether training ends at the first row that cannot be used (data.on_bad_row: fail)."""

    max_length: int
    """The most tokens of a row."""
    lengths: list[int]
    """Tokens of each row that was taken, before the cut."""
    truncated_rows: int
    tokens: int
    """Of the rows trained on, after the cut."""
    trained_tokens: int
    """Of these, those that a loss is taken on; the first of a row is never predicted."""
    split_rows: int = 0
    """Rows that are trained in pieces, each of which counts as a row elsewhere."""
    duplicates: Literal["keep", "drop", "drop_near"] = "keep"
    """What the recipe does with rows that stand in the data before."""
    duplicate_rows: int = 0
    """Of the rows that were looked at, those that equal one before."""
    near_duplicate_rows: int = 0
    """Those that nearly equal one before."""
    shared_rows: int = 0
    """Rows to measure on that are trained on too, or would be without being left out."""
    dropped_rows: int = 0
    """Rows left out of training because they are one or the other."""
    batching: Literal["padded", "joined", "packed"]
    batch_rows: int
    """Rows of a batch, or sequences where rows are packed."""
    accumulation: int
    """Batches of a step."""
    sequences: int | None
    """Sequences that the rows trained on are packed into; None where they are not packed."""
    tokens_per_step: float | None
    """Mean, without padding."""
    padding_share: float | None
    """Of all tokens of a batch, in the mean over several orders of the rows."""

    sides: Literal["single", "pairs", "marked", "prompts"] = "single"
    """Whether rows are examples, pairs of answers, each of which counts among the lengths, answers with a mark, or
    prompts, whose answers the model writes itself."""
    better_tokens: float | None = None
    """Mean tokens with loss of the better answers; None where there is none."""
    worse_tokens: float | None = None
    equal_pairs: int = 0
    """Pairs that are left out because their answers are equal."""
    swapped_pairs: int = 0
    """Pairs whose own scores say that the worse answer is the better, or that stand elsewhere the other way round."""
    better_rows: int = 0
    """Of answers with a mark, those that are desired."""

    unit: str = "rows"
    """What the method learns from, in the plural."""
    step_unit: str = "rows"
    """What the batches of a step are made of."""
    row_losses: RowLosses | None = None
    """Those of a run, where the look is at a run's data and it has kept them."""

    samples: list[Sample]
    notes: list[str]
    """Sentences that training says too."""

    @property
    def rows_taken(self) -> int:
        """Of the rows that were looked at, those that are of use."""
        return len(self.lengths) // 2 if self.sides == "pairs" else len(self.lengths)

    @property
    def trained_share(self) -> float | None:
        """Of the tokens trained on; None where there is none."""
        return self.trained_tokens / self.tokens if self.tokens else None

    @property
    def truncated_share(self) -> float | None:
        """Of the rows that are of use."""
        return self.truncated_rows / len(self.lengths) if self.lengths else None

    def alarms(self) -> list[str]:
        """What is so wrong that training would learn nothing, or less than it should: sentences, the worst first."""
        said = []
        if not self.trained_tokens and self.sides != "prompts":
            said.append("Nothing would be trained: no token of these rows has a loss.")
        if self.untrained_rows:
            rows = f"{numbers.count(self.untrained_rows)} of {numbers.count(self.rows_seen)} rows"
            beyond = f"the answers of some begin beyond {numbers.count(self.max_length)} tokens"
            more = f"; {beyond}: raise model.max_seq_length, or training.max_length where that is set"
            said.append(f"{rows} have no trained token, and are left out{more * self._has_answers_beyond}.")
        if self.stops and self.left_out_rows:
            said.append("Training would end at the first row that cannot be used, as data.on_bad_row is fail.")
        return said

    @property
    def _has_answers_beyond(self) -> bool:
        """Whether a row is left out because nothing is trained within its first tokens."""
        return any(sample.refusal and sample.is_truncated for sample in self.samples)

    @property
    def trains(self) -> bool:
        """Whether training would go on with these rows, and learn from them."""
        return bool(self.trained_tokens or (self.sides == "prompts" and self.train_rows)) and not (
            self.stops and self.left_out_rows
        )


class Bin(msgspec.Struct, frozen=True):
    """`rows` rows of `low` to `high` tokens, both included."""

    low: int
    high: int
    rows: int


def length_histogram(lengths: list[int], most: int) -> list[Bin]:
    """At most `most` bins of equal width, which is 1, 2 or 5 times a power of ten, from the shortest to the longest."""
    if not lengths:
        return []
    low, high = min(lengths), max(lengths)
    width = next(
        width
        for power in range(12)
        for width in (10**power, 2 * 10**power, 5 * 10**power)
        if high // width - low // width < most
    )
    first = low // width
    counts = [0] * (high // width - first + 1)
    for length in lengths:
        counts[length // width - first] += 1
    return [Bin((first + at) * width, (first + at + 1) * width - 1, rows) for at, rows in enumerate(counts)]
