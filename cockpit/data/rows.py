"""The rows of a data file, read as a stream: JSON, JSON Lines, CSV, Parquet, Arrow, text. No torch, no datasets."""

from __future__ import annotations

import codecs
import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from cockpit.disk import open_to_read
from cockpit.text.plain_text import plain_line

Row = dict[str, Any]
SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".txt")
READABLE = (*SUFFIXES, ".arrow")
CHUNK = 1 << 18
LONGEST_ROW = LONGEST_LINE = 1 << 26
"""Characters of one row of a JSON list, where more means that a bracket is missing; bytes of one line."""


class RowError(ValueError):
    """One row cannot be read. `where` is as in `read_rows`; the text is a sentence that names it."""

    def __init__(self, where: str, sentence: str) -> None:
        super().__init__(plain_line(f"{where}: {sentence}"))
        self.where = where


def read_rows(path: Path, on_bad_row: Callable[[RowError], None] | None = None) -> Iterator[tuple[str, Row]]:
    """Every row and where it stands: `file.jsonl:12` (a line), `file.json row 3` (an element, counted from 1).

    JSON (a list, or a row a line), JSON Lines, CSV, TSV, Parquet, Arrow streams, and plain text (each line that is
    not blank is a row {"text": ...}). A row that cannot be read goes to `on_bad_row` and is left out; without it
    RowError is raised. Raises ValueError with a sentence for a file that cannot be read on (truncated, not UTF-8 in a
    JSON list, of another kind), OSError where it cannot be opened.
    """
    name, suffix = plain_line(path.name), path.suffix.lower()
    if path.is_dir():
        raise ValueError(f"{name} is a folder; give a file: {', '.join(SUFFIXES)}")
    if suffix not in READABLE:
        raise ValueError(f"{name} has an ending that is not read; give a file that ends in {', '.join(SUFFIXES)}")
    open_to_read(path).close()
    if suffix in (".parquet", ".arrow"):
        return _parquet_rows(path, name) if suffix == ".parquet" else _arrow_rows(path, name)
    readers = {".csv": _csv_rows, ".tsv": _csv_rows, ".txt": _text_rows}
    rows = readers.get(suffix, _json_rows)(path, name)
    return _sound(rows, on_bad_row)


def _sound(
    rows: Iterator[tuple[str, Row] | RowError], on_bad_row: Callable[[RowError], None] | None
) -> Iterator[tuple[str, Row]]:
    for row in rows:
        if not isinstance(row, RowError):
            yield row
        elif on_bad_row is None:
            raise row
        else:
            on_bad_row(row)


def _json_rows(path: Path, name: str) -> Iterator[tuple[str, Row] | RowError]:
    with open_to_read(path) as stream:
        start = stream.read(4096)
        _refuse_utf_16(start, name)
        text = start.removeprefix(codecs.BOM_UTF8).lstrip()
        stream.seek(0)
        yield from _json_list(stream, name) if text.startswith(b"[") else _json_lines(stream, name)


def _json_lines(stream: IO[bytes], name: str) -> Iterator[tuple[str, Row] | RowError]:
    for number, line in _lines(stream, name):
        where = f"{name}:{number}"
        if isinstance(line, RowError):
            yield line
            continue
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            why = "nested too deep" if isinstance(error, RecursionError) else _why_truncated(error)
            yield RowError(where, f"this line is no complete JSON object ({why}); give a row a line, or a list in []")
            continue
        yield (where, row) if isinstance(row, dict) else RowError(where, f"this row is {_kind(row)}, not an object")


def _json_list(stream: IO[bytes], name: str) -> Iterator[tuple[str, Row] | RowError]:
    decoder = json.JSONDecoder()
    buffer = _Buffer(stream, name)
    buffer.skip("[")
    number = 0
    while buffer.first() != "]":
        number += 1
        where = f"{name} row {number}"
        row = buffer.element(decoder, where)
        yield (where, row) if isinstance(row, dict) else RowError(where, f"it is {_kind(row)}, not an object")
        if buffer.first() == ",":
            buffer.skip(",")
        elif buffer.first() != "]":
            raise ValueError(f"{where}: a comma or the closing ] is missing after it")


class _Buffer:
    """The text of a JSON list, decoded as far as it is needed."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._lines = 1
        self._whole = False

    def first(self) -> str:
        """The next character that is no white space. Raises ValueError where the file ends before the list does."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(CHUNK):
                raise ValueError(f"{self._name}: the file ends before the list does; its closing ] is missing")

    def skip(self, expected: str) -> None:
        """Go past the character that `first` has found."""
        assert self.first() == expected
        self._at += 1

    def element(self, decoder: json.JSONDecoder, where: str) -> Any:
        """The next value. Raises ValueError where it is broken."""
        self.first()
        wanted = CHUNK
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._at)
            except RecursionError:
                raise ValueError(f"{where}: it is nested too deep") from None
            except ValueError as error:
                # An error that is not at the end of what was read is there whatever follows.
                truncated = getattr(error, "pos", 0) >= len(self._text) - 16 or "nterminated" in str(error)
                if truncated and len(self._text) - self._at < LONGEST_ROW and self._more(wanted):
                    wanted *= 2
                    continue
                raise ValueError(f"{where}: it is no complete JSON object ({_why_truncated(error)})") from None
            if end == len(self._text) and self._more(wanted):
                continue  # a number may go on
            self._at = end
            return value

    def _more(self, wanted: int) -> bool:
        if self._whole:
            return False
        content = self._stream.read(wanted)
        self._whole = not content
        try:
            added = self._decoder.decode(content, final=self._whole)
        except UnicodeDecodeError as error:
            line = self._lines + content.count(b"\n", 0, error.start)
            raise ValueError(f"{self._name}:{line}: the text is not UTF-8; save the file as UTF-8") from None
        self._lines += content.count(b"\n")
        self._text, self._at = self._text[self._at :] + added, 0
        return not self._whole or bool(added)


def _csv_rows(path: Path, name: str) -> Iterator[tuple[str, Row] | RowError]:
    with open_to_read(path) as stream:
        start = stream.read(4096)
    _refuse_utf_16(start, name)
    header = start.split(b"\n")[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=lambda one: header.count(one.encode()))
    csv.field_size_limit(min(sys.maxsize, LONGEST_ROW))
    with io.TextIOWrapper(open_to_read(path), encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            columns = next(reader, [])
            if len(set(columns)) < len(columns) or not all(columns):
                wrong = "a column has no name" if not all(columns) else "two columns have one name"
                raise ValueError(f"{name}:1: {wrong}; the first line names the columns")
            before = reader.line_num
            for cells in reader:
                where, before = f"{name}:{before + 1}", reader.line_num
                if not cells:
                    continue
                if len(cells) != len(columns):
                    yield RowError(where, f"this row has {len(cells)} cells, and there are {len(columns)} columns")
                else:
                    yield where, dict(zip(columns, cells, strict=True))
        except UnicodeDecodeError:
            raise ValueError(f"{name}: the text after line {reader.line_num} is not UTF-8; save it as UTF-8") from None
        except csv.Error as error:
            raise ValueError(f"{name}:{reader.line_num}: this is no complete row ({error})") from None


def _text_rows(path: Path, name: str) -> Iterator[tuple[str, Row] | RowError]:
    with open_to_read(path) as stream:
        for number, line in _lines(stream, name):
            if isinstance(line, RowError):
                yield line
            elif line.strip():
                yield f"{name}:{number}", {"text": line.rstrip("\r\n")}


def _parquet_rows(path: Path, name: str) -> Iterator[tuple[str, Row]]:
    return _numbered(name, "Parquet file", _of_parquet(path))


def _arrow_rows(path: Path, name: str) -> Iterator[tuple[str, Row]]:
    """What `save_to_disk` of the datasets library writes."""
    return _numbered(name, "Arrow stream", _of_arrow(path))


def _numbered(name: str, kind: str, parts: Iterator[list[Row]]) -> Iterator[tuple[str, Row]]:
    """The rows with their places. Raises ValueError with a sentence where pyarrow cannot read on."""
    import pyarrow as pa

    number = 0
    try:
        for part in parts:
            for row in part:
                number += 1
                yield f"{name} row {number}", row
    except pa.ArrowException as error:
        reason = plain_line(str(error))[:120]
        raise ValueError(f"{name}: it is no complete {kind}, or is damaged after row {number} ({reason})") from None


def _of_parquet(path: Path) -> Iterator[list[Row]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as table:
        for batch in table.iter_batches(batch_size=1000):
            yield batch.to_pylist()


def _of_arrow(path: Path) -> Iterator[list[Row]]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as mapped, pa.ipc.open_stream(mapped) as batches:
        for batch in batches:
            batch.validate(full=True)  # of damaged memory pyarrow makes no error but the end of the process
            for start in range(0, batch.num_rows, 1000):
                yield batch.slice(start, 1000).to_pylist()


def _lines(stream: IO[bytes], name: str) -> Iterator[tuple[int, str | RowError]]:
    for number, read in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), start=1):
        if len(read) == LONGEST_LINE:
            raise ValueError(f"{name}:{number}: this line is longer than {LONGEST_LINE >> 20} MiB; put a row on a line")
        content = read
        if number == 1:
            _refuse_utf_16(read, name)
            content = read.removeprefix(codecs.BOM_UTF8)
        try:
            yield number, content.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = content[error.start]
            yield number, RowError(f"{name}:{number}", f"byte 0x{byte:02x} is not UTF-8; save the file as UTF-8")


def _refuse_utf_16(start: bytes, name: str) -> None:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError(f"{name}: the text is UTF-16; save the file as UTF-8")
    if b"\0" in start:
        raise ValueError(f"{name}: this is no text; its ending does not fit what it holds")


def _why_truncated(error: ValueError) -> str:
    """What is wrong with the JSON; without the place that the reason's last word announces."""
    return str(getattr(error, "msg", error)).removesuffix(" at")


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "text", bool: "true or false", type(None): "empty"}
    return kinds.get(type(value), "a number")
