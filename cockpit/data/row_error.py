"""A row of data, and what is said of one that cannot be read; shared by the readers of each kind of file."""

from __future__ import annotations

import codecs
from typing import Any

from cockpit.text.plain_text import plain_line

Row = dict[str, Any]
Read = tuple[str, Row]
"""Where a row stands, and the row."""
LONGEST_ROW = 1 << 26
"""Characters of one row, or bytes of one line; more means that a bracket or a quote is missing."""


class RowError(ValueError):
    """One row cannot be read. `where` is as in `read_rows`; the text is a sentence that names it."""

    def __init__(self, where: str, sentence: str) -> None:
        super().__init__(plain_line(f"{where}: {sentence}"))
        self.where = where


def refuse_binary(start: bytes, name: str) -> None:
    """Raise ValueError where a file that begins so is no text in UTF-8."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError(f"{name}: the text is UTF-16; save the file as UTF-8")
    if b"\0" in start:
        raise ValueError(f"{name}: this is no text; its ending does not fit what it holds")


def not_utf_8(where: str, byte: int) -> RowError:
    """The error for a row with a byte that no UTF-8 text has."""
    return RowError(where, f"byte 0x{byte:02x} is not UTF-8; save the file as UTF-8")


def kind_of_value(value: object) -> str:
    """What a value is, in words: `a list`, `a number`."""
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "empty"}
    return kinds.get(type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}")
