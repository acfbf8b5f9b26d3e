"""The rows of all sources of a recipe, mixed as it says; those that cannot be used are counted, or end the run"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cockpit.data.files import DatasetForm
from cockpit.data.report import NotUsed
from cockpit.data.report_text import not_used_by_source
from cockpit.data.row_error import Row
from cockpit.engine.data.conversation import Content, Conversations
from cockpit.engine.data.preferences import Preferences
from cockpit.engine.data.row_source import LocalRows, RowSource, open_sources
from cockpit.engine.errors import RunFailure
from cockpit.protocol.events import SourceRead
from cockpit.recipe.data import Source
from cockpit.recipe.recipe import Recipe

SHOWN_BAD_ROWS = 5

Say = Callable[[str], None]


@dataclass(frozen=True)
class ReadRow:
    """A usable row: where it stands, its turns or text, and the folder that paths of its images are relative to."""

    where: str
    content: Content
    folder: Path


class RowReader:
    """The rows of all sources in their order."""

    def __init__(self, recipe: Recipe, say: Say) -> None:
        """Looks at the sources. Raises RunFailure where one cannot be read or has no known form."""
        self._data = recipe.data
        self._say = say
        self._sources = open_sources(recipe.data.sources, say, recipe.method)
        self._conversations = [
            (Conversations if recipe.kind.rows == "single" else Preferences)(
                rows.form.form,
                rows.form.columns,
                named=rows.form.named,
                has_classes=rows.form.has_classes,
                instruction=source.instruction,
                roles=recipe.data.roles,
            )
            for source, rows in zip(recipe.data.sources, self._sources, strict=True)
        ]
        for source, rows in zip(recipe.data.sources, self._sources, strict=True):
            if source.instruction is not None and rows.form.form != "image_text":
                say(f"The instruction is not used: {rows.name} holds rows of the form {rows.form.form}.")
        self.has_images = any(rows.form.has_images for rows in self._sources)
        self._taken = [0] * len(self._sources)
        self.refused = 0
        self.refusals: list[str] = []
        """Of the first SHOWN_BAD_ROWS rows that cannot be used: where each stands, and why, in a sentence."""

    @property
    def first_refusal(self) -> str:
        """The first row that cannot be used, in a sentence; empty where there is none."""
        return f"The first one: {self.refusals[0]}" if self.refusals else ""

    @property
    def there(self) -> list[int | None]:
        """Rows of each source, before any are chosen; None where a file does not say without being read."""
        return [rows.form.rows for rows in self._sources]

    @property
    def read_of(self) -> tuple[SourceRead, ...]:
        """What was read of each source so far."""
        named = zip(self._data.sources, self._taken, self._sources, strict=True)
        return tuple(
            SourceRead(name=source.name_or_path, rows=taken, commit=rows.commit) for source, taken, rows in named
        )

    @property
    def files(self) -> list[list[Path]] | None:
        """The files on this disk that hold the rows of each source; None where one is in none."""
        files = [rows.files for rows in self._sources]
        return files if all(files) else None

    @property
    def file_names(self) -> list[list[str]]:
        """What the rows of each source call the files that they stand in."""
        return [list(rows.file_names.values()) if isinstance(rows, LocalRows) else [] for rows in self._sources]

    @property
    def details(self) -> list[DatasetForm]:
        """What the rows of each source are taken for."""
        return [rows.form for rows in self._sources]

    @property
    def forms(self) -> list[str]:
        """The form that the rows of each source have."""
        return [rows.form.form for rows in self._sources]

    @property
    def names(self) -> list[str]:
        """What errors call each source."""
        return [rows.name for rows in self._sources]

    @property
    def total(self) -> int | None:
        """Rows in all; None where a file does not say without being read."""
        counts = []
        for source, rows, chosen in zip(self._data.sources, self._sources, self._chosen, strict=True):
            if chosen is None and rows.form.rows is None and source.max_rows is None:
                return None
            known = (len(chosen) if chosen is not None else None, rows.form.rows, source.max_rows)
            counts.append(min(n for n in known if n is not None))
        return sum(counts)

    def read(self, refuse: Callable[[object], None] | None = None) -> Iterator[ReadRow]:
        """Each usable row. `refuse` is given the sentences of the others, in place of this reader's own counting, as
        for `refuse_row`. Raises RunFailure."""
        refuse = refuse or self.refuse_row
        for at, (source, rows, chosen) in enumerate(zip(self._data.sources, self._sources, self._chosen, strict=True)):
            try:
                for where, row in _taken(rows, source, chosen, refuse):
                    self._taken[at] += 1
                    try:
                        conversation = self._conversations[at].content(row)
                    except ValueError as error:
                        refuse(f"{where}: {error}")
                        continue
                    yield ReadRow(where, conversation, rows.folder)
            except (ValueError, OSError) as error:
                raise RunFailure(f"The data cannot be read to its end: {error}.") from error

    @property
    def not_used(self) -> list[NotUsed]:
        """What the rows that were read hold beside what they are turned into."""
        counted = zip(self._conversations, self._sources, strict=True)
        return [one for made, rows in counted for one in made.not_used.found(rows.name)]

    def refuse(self, where: str, why: str) -> None:
        """The row at `where` cannot be used."""
        self.refuse_row(f"{where}: {why}")

    def leave_out(self, where: str, why: str) -> None:
        """The recipe asks for the row at `where` to be left out: that ends no run."""
        self._left_out(f"{where}: {why}.")

    def summarise(self) -> None:
        """Say how many rows were left out beyond those that were named, and what of the others was not used."""
        if self.refused > SHOWN_BAD_ROWS:
            self._say(f"{self.refused:,} rows were left out in all.")
        for source, words in not_used_by_source(self.not_used):
            self._say(f"Not used of {source}: {words}.")

    def refuse_row(self, sentence: object) -> None:
        """A row cannot be used: a sentence of where it stands, and why, without its full stop. Raises RunFailure where
        the recipe says that such a row ends the run."""
        sentence = f"{sentence}."
        if self._data.on_bad_row == "fail":
            raise RunFailure(sentence, "data.on_bad_row: skip leaves such rows out.")
        self._left_out(sentence)

    def _left_out(self, sentence: str) -> None:
        self.refused += 1
        if self.refused <= SHOWN_BAD_ROWS:
            self.refusals.append(sentence)
            self._say(f"Row left out: {sentence}")

    @functools.cached_property
    def _chosen(self) -> list[frozenset[int] | None]:
        """Of each source with a ratio the rows that are drawn, counted from 0; None for sources that are taken whole.

        Drawn are int(rows of the source without a ratio x ratio) rows, those that pandas' `sample` takes for the seed.
        """
        sources = list(zip(self._data.sources, self._sources, strict=True))
        if all(source.ratio is None for source, _ in sources):
            return [None] * len(sources)
        whole = sum(_available(source, rows) for source, rows in sources if source.ratio is None)
        drawn: list[frozenset[int] | None] = []
        for source, rows in sources:
            if source.ratio is None:
                drawn.append(None)
                continue
            wanted, there = int(whole * source.ratio), _available(source, rows)
            if wanted < 1:
                raise RunFailure(
                    f"A ratio of {source.ratio:g} to {whole:,} rows takes no row of {rows.name}.",
                    "Raise the ratio, or leave the source out.",
                )
            taken = min(wanted, there)
            short = f": there are no {wanted:,}" if taken < wanted else ""
            self._say(f"Of {rows.name}, {taken:,} of {there:,} rows are drawn{short}.")
            choice = np.random.RandomState(self._data.seed).choice(there, size=taken, replace=False)
            drawn.append(frozenset(choice.tolist()))
        return drawn


def _available(source: Source, rows: RowSource) -> int:
    there = rows.count()
    return there if source.max_rows is None else min(there, source.max_rows)


def _taken(
    rows: RowSource, source: Source, chosen: frozenset[int] | None, refuse: Callable[[object], None]
) -> Iterator[tuple[str, Row]]:
    """The first max_rows rows, and of these the chosen ones."""
    taken = itertools.islice(rows.rows(refuse), source.max_rows)
    if chosen is None:
        return taken
    return (row for number, row in enumerate(taken) if number in chosen)
