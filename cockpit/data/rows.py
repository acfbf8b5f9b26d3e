"""The rows of a data file, read as a stream: JSON, JSON Lines, CSV, Parquet, Arrow, text. No torch, no datasets."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from pathlib import Path

from cockpit.data.arrow_rows import arrow_rows, parquet_rows
from cockpit.data.csv_rows import csv_rows
from cockpit.data.json_rows import json_rows
from cockpit.data.row_error import LONGEST_ROW, Read, RowError, not_utf_8, refuse_binary
from cockpit.disk import open_to_read
from cockpit.text.plain_text import plain_line

SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".txt")
READABLE = (*SUFFIXES, ".arrow")


def read_rows(
    path: Path, on_bad_row: Callable[[RowError], None] | None = None, name: str | None = None
) -> Iterator[Read]:
    """Every row and where it stands: `file.jsonl:12` (a line), `file.json row 3` (an element, counted from 1); the file
    is called `name` there, where that is given.

    JSON and JSON Lines (whatever values the file holds, one after the other, to its end), CSV, TSV, Parquet, Arrow
    streams, and plain text (each line that is not blank is a row {"text": ...}). A row that cannot be read goes to
    `on_bad_row` and is left out; without it RowError is raised. Raises ValueError with a sentence for a file that
    cannot be read on (truncated, of another kind), OSError where it cannot be opened.
    """
    name, suffix = name or plain_line(path.name), path.suffix.lower()
    if path.is_dir():
        raise ValueError(f"{name} is a folder; give a file: {', '.join(SUFFIXES)}")
    if suffix not in READABLE:
        raise ValueError(f"{name} has an ending that is not read; give a file that ends in {', '.join(SUFFIXES)}")
    open_to_read(path).close()
    if suffix in (".parquet", ".arrow"):
        return parquet_rows(path, name) if suffix == ".parquet" else arrow_rows(path, name)
    readers = {".csv": csv_rows, ".tsv": csv_rows, ".txt": _text_rows}
    return _sound(readers.get(suffix, json_rows)(path, name), on_bad_row)


def _sound(rows: Iterator[Read | RowError], on_bad_row: Callable[[RowError], None] | None) -> Iterator[Read]:
    for row in rows:
        if not isinstance(row, RowError):
            yield row
        elif on_bad_row is None:
            raise row
        else:
            on_bad_row(row)


def _text_rows(path: Path, name: str) -> Iterator[Read | RowError]:
    with open_to_read(path) as stream:
        for number, read in enumerate(iter(lambda: stream.readline(LONGEST_ROW), b""), start=1):
            where, line = f"{name}:{number}", read
            if len(read) == LONGEST_ROW:
                raise ValueError(f"{where}: this line is longer than {LONGEST_ROW >> 20} MiB; put a row on a line")
            if number == 1:
                refuse_binary(read, name)
                line = read.removeprefix(codecs.BOM_UTF8)
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                yield not_utf_8(where, line[error.start])
                continue
            if text.strip():
                yield where, {"text": text.rstrip("\r\n")}
