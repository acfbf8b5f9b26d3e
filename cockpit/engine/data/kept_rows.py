"""Tokenized rows in the cache: found again by their key, or kept once they are made"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from cockpit.data.fingerprints import fingerprint_of, fingerprint_of_bytes
from cockpit.data.row_lengths import what_is_asked
from cockpit.data.rows_cache import Draft, HeldEntry, RowsCache, limit_bytes
from cockpit.engine.data.packing import write_packed
from cockpit.engine.data.row_key import code_fingerprint, row_key, versions_of
from cockpit.engine.data.row_reader import RowReader
from cockpit.engine.data.spilling_file import SpillingFile
from cockpit.engine.data.token_rows import FIGURES_FILE, ROWS_FILE, Integers, RowWriter, TokenRows, dataset_of
from cockpit.engine.errors import RunFailure
from cockpit.machine.compile_cache import rows_cache_folder
from cockpit.protocol.events import SourceRead
from cockpit.recipe.recipe import Recipe
from cockpit.text import numbers

Say = Callable[[str], None]
Progress = Callable[[int, int | None], None]
"""Told the rows done and the rows in all; may raise to end the work."""
PACKED_FILE = "packed.arrow"
NOWHERE = Path("/dev/null/nowhere")
"""What is written here goes into memory."""


class Sentences:
    """Says sentences, and remembers those that belong to the rows: a later start that takes these says them too."""

    def __init__(self, say: Say) -> None:
        self.kept: list[str] = []
        self._say = say
        self._once: set[str] = set()

    def __call__(self, sentence: str) -> None:
        self.kept.append(sentence)
        self._say(sentence)

    def begin(self) -> None:
        """Forget what was said: it belongs to the sources, and will be said again."""
        self.kept.clear()

    def once(self, sentences: list[str]) -> None:
        """Say those that were not said this way before."""
        for sentence in sentences:
            if sentence not in self._once:
                self._once.add(sentence)
                self(sentence)

    def aside(self, sentences: list[str]) -> None:
        """Say what belongs to this start alone; once."""
        for sentence in sentences:
            if sentence not in self._once:
                self._once.add(sentence)
                self._say(sentence)


@dataclass(frozen=True)
class Tokenized:
    """The rows, and what became of the others. `sources` tells what was read of each."""

    rows: TokenRows
    refused: int
    truncated: int
    split: int
    sources: tuple[SourceRead, ...]


class KeptRows:
    """The place in the cache for the rows of one reader. Where there can be none, rows are made all the same."""

    @classmethod
    def of(
        cls, recipe: Recipe, reader: RowReader, tokenizer: str, length: int, on_progress: Callable[[], None]
    ) -> KeptRows:
        """Reads all data once, to tell by its content whether it has changed. `tokenizer` is its fingerprint. Raises
        RunFailure where the limit of the cache is no size."""
        try:
            cache = RowsCache(rows_cache_folder(), limit_bytes())
        except ValueError as error:
            raise RunFailure(f"{error}.") from error
        key, before = "", []
        try:
            before = versions_of(_files(reader))
            key = (row_key(recipe, reader, tokenizer, length, on_progress) or "") if cache.limit else ""
        except OSError:
            pass  # told when the data is read
        return cls(recipe, reader, cache, key, before, length)

    def __init__(
        self, recipe: Recipe, reader: RowReader, cache: RowsCache, key: str, before: list[Any], length: int
    ) -> None:
        self._recipe = recipe
        self._reader = reader
        self._cache = cache
        self._key = key
        self._before = before
        self._length = length
        self._draft: Draft | None = None
        self._asked = what_is_asked(recipe)
        """Before the rows are read: files that change meanwhile are others."""

    def find(self, said: Sentences, on_progress: Callable[[], None]) -> Tokenized | None:
        """The rows of an earlier start; what was said then is said again."""
        held = self._cache.find(self._key, on_progress) if self._key else None
        if held is None:
            return None
        try:
            found = self._of_entry(held)
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            return None  # an entry of another version
        for sentence in held.about["said"]:
            said(sentence)
        since = numbers.duration(max(0.0, time.time() - held.about["made"]))
        said(f"The rows were tokenized {since} ago and are taken from the cache; cockpit cache shows and clears it.")
        return found

    @contextmanager
    def writer(self) -> Iterator[RowWriter]:
        """Writes the rows; what it has written goes again where the block raises."""
        try:
            self._draft = self._cache.draft(self._key)
        except OSError:
            self._draft = None
        writer = RowWriter(self._draft.folder if self._draft is not None else NOWHERE)
        try:
            yield writer
        except BaseException:
            if self._draft is not None:
                self._draft.drop()
            raise
        finally:
            writer.close()

    def kept(
        self, writer: RowWriter, long: dict[str, int], said: Sentences, on_progress: Callable[[], None]
    ) -> Tokenized:
        """The rows that were written, kept for the next start where the data is still what it was before."""
        reader, draft = self._reader, self._draft
        rows = writer.finish()
        made = Tokenized(replace(rows, held=draft), reader.refused, long["truncated"], long["split"], reader.read_of)
        if draft is None or writer.failure is not None:
            why = writer.failure.strerror if writer.failure is not None else "there is no room"
            said.aside([f"The tokenized rows stay in memory, as the cache cannot be written ({why})."])
            return made
        if not (self._key and len(rows) and self._is_unchanged()):
            return made
        prints = {name: fingerprint_of(draft.folder / name, on_progress) for name in (ROWS_FILE, FIGURES_FILE)}
        held = draft.keep(self._about(made, said), prints)
        return made if held is None else self._of_entry(held)

    def _is_unchanged(self) -> bool:
        try:
            return versions_of(_files(self._reader)) == self._before
        except OSError:
            return False

    def _about(self, made: Tokenized, said: Sentences) -> dict[str, Any]:
        recipe = self._recipe
        return {
            "data": self._reader.names,
            "model": recipe.model.name_or_path,
            "template": recipe.data.chat_template,
            "length": self._length,
            "rows": len(made.rows),
            "tokens": int(made.rows.lengths.sum()),
            "longest": int(made.rows.lengths.max()),
            "shortest": int(made.rows.lengths.min()),
            "asked": self._asked,
            "sha256": made.rows.sha256,
            "refused": made.refused,
            "truncated": made.truncated,
            "split": made.split,
            "sources": [[one.rows, one.commit] for one in made.sources],
            "said": said.kept,
            "made": time.time(),
        }

    def _of_entry(self, held: HeldEntry) -> Tokenized:
        about = held.about
        named = zip(self._recipe.data.sources, about["sources"], strict=True)
        return Tokenized(
            TokenRows.opened(held.folder, about["sha256"], held),
            about["refused"],
            about["truncated"],
            about["split"],
            tuple(SourceRead(name=source.name_or_path, rows=rows, commit=commit) for source, (rows, commit) in named),
        )


def packed_dataset(
    rows: TokenRows, order: Integers, capacity: int, seed: int, on_progress: Callable[[], None]
) -> tuple[Any, object]:
    """The rows `order` packed, as a datasets.Dataset: those of an earlier start, or made now and kept. The second is to
    be kept for as long as the first."""
    cache = RowsCache(rows_cache_folder(), limit_bytes())
    told = f"{PACKED_FILE} {rows.sha256} {capacity} {seed} {code_fingerprint()}".encode()
    key = fingerprint_of_bytes(told, order.tobytes())
    held = cache.find(key, on_progress)
    if held is not None:
        return dataset_of(held.folder / PACKED_FILE), held
    try:
        draft = cache.draft(key)
    except OSError:
        draft = None
    file = SpillingFile((draft.folder if draft is not None else NOWHERE) / PACKED_FILE)
    try:
        sequences = write_packed(rows, order, capacity, seed, file, on_progress)
        written = file.finish()
    except BaseException:
        if draft is not None:
            draft.drop()
        raise
    finally:
        file.close()
    if draft is not None and isinstance(written, Path) and cache.limit:
        about = {"data": ["packed"], "length": capacity, "rows": sequences, "made": time.time()}
        held = draft.keep(about, {PACKED_FILE: fingerprint_of(written, on_progress)})
        written = written if held is None else held.folder / PACKED_FILE
    return dataset_of(written), held or draft


def _files(reader: RowReader) -> list[Path]:
    return [path for paths in reader.files or () for path in paths]
