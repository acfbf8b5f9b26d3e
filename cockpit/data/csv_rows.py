"""Rows of CSV and TSV: a header, then a row a record"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from cockpit.data.row_error import LONGEST_ROW, Read, RowError, refuse_binary
from cockpit.disk import open_to_read


def csv_rows(path: Path, name: str) -> Iterator[Read | RowError]:
    """Each record under the header as a row of texts, at the line that it begins at.

    A column without a name gets the one that pandas reads it as, `Unnamed: 0`. A record with another number of cells is
    a RowError. Raises ValueError where the file is not UTF-8, a quote is not closed, or two columns have one name.
    """
    with open_to_read(path) as stream:
        start = stream.read(4096)
    refuse_binary(start, name)
    header = start.split(b"\n")[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=lambda one: header.count(one.encode()))
    csv.field_size_limit(min(sys.maxsize, LONGEST_ROW))
    with io.TextIOWrapper(open_to_read(path), encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            columns = [column or f"Unnamed: {number}" for number, column in enumerate(next(reader, []))]
            if len(set(columns)) < len(columns):
                raise ValueError(f"{name}:1: two columns have one name; the first line names the columns")
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
