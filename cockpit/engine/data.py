"""recipe -> rendered, masked dataset"""

from __future__ import annotations

import itertools
import os
import random
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cockpit.dataset_file import DatasetForm, read_rows, recognise
from cockpit.engine.chat_template import ChatTemplate, Message
from cockpit.engine.conversation import conversation_of
from cockpit.engine.ending import RunFailure, first_line
from cockpit.events import DataPrepared
from cockpit.forecast import held_out_count
from cockpit.plain_text import plain_text
from cockpit.recipe.data import Source
from cockpit.recipe.embedded import resolve
from cockpit.recipe.recipe import Recipe

BATCH_ROWS = 256
"""Rows that the tokenizer is given at once."""
PROGRESS_EVERY_S = 0.2
IGNORED = -100
"""The label of a token without loss."""
SHOWN_BAD_ROWS = 5

Say = Callable[[str], None]
Progress = Callable[[int, int | None], None]
"""Told the rows done and the rows in all; may raise to end the work."""


@dataclass
class Rows:
    """Tokenized rows, end to end: row i is [offsets[i], offsets[i + 1]) of `input_ids` and of `labels`."""

    input_ids: array[int] = field(default_factory=lambda: array("i"))
    labels: array[int] = field(default_factory=lambda: array("i"))
    offsets: array[int] = field(default_factory=lambda: array("q", [0]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def append(self, input_ids: list[int], labels: list[int]) -> None:
        """Add a row; both lists are of its length."""
        self.input_ids.extend(input_ids)
        self.labels.extend(labels)
        self.offsets.append(len(self.input_ids))

    def tokens(self, rows: list[int]) -> int:
        """Tokens of the rows `rows`."""
        return int(np.diff(np.frombuffer(self.offsets, np.int64))[rows].sum())

    def trained_tokens(self, rows: list[int]) -> int:
        """Tokens of the rows `rows` that a loss is taken on; the first of a row is never predicted."""
        trained = np.frombuffer(self.labels, np.int32) != IGNORED
        starts = np.frombuffer(self.offsets, np.int64)[:-1]
        trained[starts] = False
        return int(np.add.reduceat(trained, starts, dtype=np.int64)[rows].sum())

    def table(self, order: list[int]) -> pa.Table:
        """Columns input_ids and labels (lists of int32) of the rows `order`, in that order."""
        starts = np.frombuffer(self.offsets, np.int64)
        columns = {}
        for name, values in (("input_ids", self.input_ids), ("labels", self.labels)):
            flat = pa.array(np.frombuffer(values, np.int32))
            columns[name] = pa.LargeListArray.from_arrays(pa.array(starts), flat).take(pa.array(order, pa.int64()))
        return pa.table(columns)


@dataclass(frozen=True)
class PreparedData:
    """Datasets with input_ids and labels, cut to length; `held_out` is None where no row is held out."""

    train: Any
    held_out: Any
    counts: DataPrepared


def prepare_data(recipe: Recipe, tokenizer: Any, say: Say, progress: Progress) -> PreparedData:
    """Read, render, tokenize, mask and cut the recipe's rows. Raises RunFailure where nothing is left to learn."""
    from datasets import Dataset

    length = min(recipe.training.max_length or recipe.model.max_seq_length, recipe.model.max_seq_length)
    encoder = Encoder(recipe, tokenizer, length, say)
    reader = RowReader(recipe, say)
    told = time.monotonic()
    done = 0
    conversations = reader.conversations()
    with _tokenizing_on_all_cores():
        while batch := list(itertools.islice(conversations, BATCH_ROWS)):
            for where, why in encoder.add(batch):
                reader.refuse(where, why)
            done += len(batch)
            if time.monotonic() - told > PROGRESS_EVERY_S:
                told = time.monotonic()
                progress(done, reader.total)
    progress(done, done)
    reader.summarise()

    rows = encoder.rows
    if not len(rows):
        raise RunFailure("No row of the data can be learnt from.", reader.first_refusal)
    held_out = held_out_rows(len(rows), recipe.data.eval_rows, recipe.data.seed)
    if len(held_out) < recipe.data.eval_rows:
        say(f"Held out are {len(held_out):,} rows, not {recipe.data.eval_rows:,}: there are {len(rows):,} in all.")
    train_rows = sorted(set(range(len(rows))) - set(held_out))
    return PreparedData(
        train=Dataset(rows.table(train_rows)),
        held_out=Dataset(rows.table(held_out)) if held_out else None,
        counts=DataPrepared(
            train_rows=len(train_rows),
            eval_rows=len(held_out),
            skipped_rows=reader.refused,
            truncated_rows=encoder.truncated,
            tokens=rows.tokens(train_rows),
            trained_tokens=rows.trained_tokens(train_rows),
        ),
    )


@contextmanager
def _tokenizing_on_all_cores() -> Iterator[None]:
    """Off for the rest of the process, where processes that load batches are forked."""
    before = os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    try:
        yield
    finally:
        os.environ["TOKENIZERS_PARALLELISM"] = before or "false"


def held_out_rows(rows: int, wanted: int, seed: int) -> list[int]:
    """Which of `rows` rows are held out, ascending."""
    return sorted(random.Random(seed).sample(range(rows), held_out_count(rows, wanted)))


class RowReader:
    """The rows of all sources in their order; those that cannot be used are counted, or end the run."""

    def __init__(self, recipe: Recipe, say: Say) -> None:
        """Looks at the sources. Raises RunFailure where one cannot be read or has no known form."""
        self._data = recipe.data
        self._say = say
        self._forms = [self._recognised(source) for source in recipe.data.sources]
        self.refused = 0
        self.first_refusal = ""

    @property
    def total(self) -> int | None:
        """Rows in all; None where a file does not say without being read."""
        counts = []
        for source, (_, form) in zip(self._data.sources, self._forms, strict=True):
            if form.rows is None and source.max_rows is None:
                return None
            counts.append(min(n for n in (form.rows, source.max_rows) if n is not None))
        return sum(counts)

    def conversations(self) -> Iterator[tuple[str, list[Message] | str]]:
        """Each usable row: where it stands, and its turns or text. Raises RunFailure."""
        for source, (path, form) in zip(self._data.sources, self._forms, strict=True):
            try:
                rows = read_rows(path, lambda error: self._refuse(str(error)))
                for where, row in itertools.islice(rows, source.max_rows):
                    try:
                        conversation = conversation_of(row, form.form, form.columns)
                    except ValueError as error:
                        self.refuse(where, str(error))
                        continue
                    yield where, conversation
            except (ValueError, OSError) as error:
                raise RunFailure(f"The data cannot be read to its end: {error}.") from error

    def refuse(self, where: str, why: str) -> None:
        """The row at `where` cannot be used."""
        self._refuse(f"{where}: {why}")

    def _refuse(self, sentence: str) -> None:
        sentence += "."
        if self._data.on_bad_row == "fail":
            raise RunFailure(sentence, "data.on_bad_row: skip leaves such rows out.")
        self.refused += 1
        self.first_refusal = self.first_refusal or f"The first one: {sentence}"
        if self.refused <= SHOWN_BAD_ROWS:
            self._say(f"Row left out: {sentence}")

    def summarise(self) -> None:
        """Say how many rows were left out beyond those that were named."""
        if self.refused > SHOWN_BAD_ROWS:
            self._say(f"{self.refused:,} rows were left out in all.")

    def _recognised(self, source: Source) -> tuple[Path, DatasetForm]:
        path = Path(resolve(source.name_or_path))
        if not path.is_file():
            shown = plain_text(source.name_or_path, keep_newlines=False)
            raise RunFailure(f"The data file {shown} is not there.", "Give its path in data.sources.")
        try:
            return path, recognise(path, source.columns, source.format)
        except (ValueError, OSError) as error:
            raise RunFailure(str(error)) from error


class Encoder:
    """Conversations and texts -> tokens and labels, cut to `length` tokens."""

    def __init__(self, recipe: Recipe, tokenizer: Any, length: int, say: Say) -> None:
        self.rows = Rows()
        self.truncated = 0
        self._data = recipe.data
        self._tokenizer = tokenizer
        self._length = length
        self._say = say
        self._template: ChatTemplate | None = None
        self._texts_told = False

    def add(self, batch: list[tuple[str, list[Message] | str]]) -> Iterator[tuple[str, str]]:
        """Take the rows in; yields those that it cannot take: where they stand, and why. Raises RunFailure."""
        drawn: list[tuple[str, str, list[tuple[int, int]], bool]] = []
        for where, conversation in batch:
            bare = isinstance(conversation, str)
            if isinstance(conversation, str):
                text, spans = conversation, self._spans_of_text(conversation)
            else:
                template = self._chat_template()
                try:
                    text = template.render(conversation)
                except Exception as error:
                    yield where, f"the chat template refuses it ({first_line(error)})"
                    continue
                spans = template.answer_spans(text, conversation) if self._on_answers else [(0, len(text))]
            if half := half_character(text):
                yield where, f"its text holds half a character ({half}), as a cut emoji leaves one"
                continue
            drawn.append((where, text, spans, bare))
        if not drawn:
            return
        encoded = self._tokenizer(
            [text for _, text, _, _ in drawn],
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        for (where, _, spans, bare), ids, places in zip(
            drawn, encoded["input_ids"], encoded["offset_mapping"], strict=True
        ):
            row = (ids, masked(ids, places, spans))
            if bare:
                row = self._closed(*row)
            input_ids, labels = (column[: self._length] for column in row)
            if all(label == IGNORED for label in labels[1:]):
                yield where, f"no token of an answer stands within its first {self._length:,} tokens"
                continue
            self.truncated += len(row[0]) > self._length
            self.rows.append(input_ids, labels)

    @property
    def _on_answers(self) -> bool:
        return self._data.train_on_responses_only

    def _chat_template(self) -> ChatTemplate:
        if self._template is None:
            if not self._tokenizer.chat_template:
                raise RunFailure(
                    "The model's tokenizer has no chat template, and the data holds conversations.",
                    "Set data.chat_template to one of Unsloth's, such as chatml.",
                )
            try:
                self._template = ChatTemplate(self._tokenizer, self._data.instruction_part, self._data.response_part)
            except ValueError as error:
                raise RunFailure(str(error), "Set data.chat_template to another one.") from error
        return self._template

    def _spans_of_text(self, text: str) -> list[tuple[int, int]]:
        """A plain text has answers only where the recipe says what they begin with; else all of it is learnt."""
        if not self._on_answers:
            return [(0, len(text))]
        if self._data.response_part:
            return marked_spans(text, self._data.instruction_part or "", self._data.response_part)
        if not self._texts_told:
            self._texts_told = True
            self._say("Plain texts have no answers apart, so the loss is taken on the whole of them.")
        return [(0, len(text))]

    def _closed(self, ids: list[int], labels: list[int]) -> tuple[list[int], list[int]]:
        """A plain text between the marks that the tokenizer's model begins and ends a text with."""
        begin, end = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        if begin is not None and ids[:1] != [begin] and self._tokenizer("a")["input_ids"][:1] == [begin]:
            ids, labels = [begin, *ids], [IGNORED, *labels]
        if end is not None and ids[-1:] != [end]:
            ids, labels = [*ids, end], [*labels, end if labels[-1:] != [IGNORED] else IGNORED]
        return ids, labels


def half_character(text: str) -> str:
    r"""The first lone surrogate of `text` as JSON writes it (\ud83d), which no tokenizer takes; empty where all is
    whole."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"\\u{ord(text[error.start]):04x}"
    return ""


def masked(ids: list[int], places: list[tuple[int, int]], spans: list[tuple[int, int]]) -> list[int]:
    """`ids` as labels, IGNORED where a token does not stand wholly in one of `spans`.

    `places` are the tokens' own [begin, end) in the text; both lists ascend.
    """
    labels = [IGNORED] * len(ids)
    for begin, end in spans:
        first = bisect_left(places, begin, key=itemgetter(0))
        beyond = bisect_right(places, end, key=itemgetter(1))
        labels[first:beyond] = ids[first:beyond]
    return labels


def marked_spans(text: str, instruction_part: str, response_part: str) -> list[tuple[int, int]]:
    """What stands between each `response_part` and the next `instruction_part` (or the end): [begin, end).

    Blanks that end the `response_part` are the answer's, as in ChatTemplate.answer_spans.
    """
    spans = []
    at = text.find(response_part)
    while at >= 0:
        begin = at + len(response_part.rstrip(" "))
        turn = text.find(instruction_part, begin) if instruction_part else -1
        end = turn if turn >= 0 else len(text)
        spans.append((begin, end))
        at = text.find(response_part, end)
    return spans
