"""Rows of JSON: lists, objects a line, indented objects, conversations a line, one after the other to the file's end"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cockpit.data.json_text import BrokenJson, JsonText
from cockpit.data.row_error import LONGEST_ROW, Read, RowError, kind_of_value
from cockpit.data.turn_shapes import begins_conversation, is_any_turn
from cockpit.disk import open_to_read

MESSAGES = "messages"
"""The column of a row that is a list of turns."""


def json_rows(path: Path, name: str) -> Iterator[Read | RowError]:
    """The rows of all values that the file holds, in their order.

    An object is a row (`file.jsonl:12`), and so is each element of a list (`file.json row 3`, counted through all lists
    of the file). A list of turns is one row, the conversation in the column MESSAGES. NaN counts as null. What is no
    row is a RowError with its place. Raises ValueError where a list that a .json file begins with is broken.
    """
    with open_to_read(path) as stream:
        yield from _JsonRows(JsonText(stream, name), name, a_value_a_line=path.suffix.lower() != ".json")


class _Unclosed(Exception):
    """A list has neither a comma nor its end where one of them must stand."""


class _JsonRows:
    def __init__(self, text: JsonText, name: str, *, a_value_a_line: bool) -> None:
        self._text = text
        self._name = name
        self._a_value_a_line = a_value_a_line
        self._elements = 0
        """Of all lists so far, those that are conversations left out."""
        self._place = name
        """Where the value stands that was read last."""

    def __iter__(self) -> Iterator[Read | RowError]:
        text, is_first = self._text, True
        while character := text.first():
            if character == ",":  # between objects, as where the brackets around a list were taken away
                text.skip()
                continue
            where = f"{self._name}:{text.line}"
            is_all = character == "[" and is_first and not self._a_value_a_line
            is_first = False
            try:
                if character == "[":
                    yield from self._list(where, is_all)
                else:
                    yield self._row(text.value(), where, "this row")
            except BrokenJson as error:
                if is_all:
                    why = error if error.is_deep else f"no complete JSON object ({error})"
                    raise ValueError(f"{self._name} row {self._elements + 1}: it is {why}") from None
                yield text.recover(error)
            except _Unclosed:
                unclosed = self._unclosed()
                if is_all:
                    raise unclosed from None
                yield unclosed

    def _list(self, line: str, is_all: bool) -> Iterator[Read | RowError]:
        """The rows of the list that the text stands at, one row where it is a conversation."""
        values = self._values()
        self._place = line
        first = next(values, None)
        if first is None and not (is_all and not self._text.first()):
            yield RowError(line, "this list is empty")
        elif begins_conversation(first, self._a_value_a_line):
            yield self._conversation(line, first, values)
        elif first is not None:
            for value in itertools.chain([first], values):
                self._elements += 1
                self._place = f"{self._name} row {self._elements}"
                yield self._row(value, self._place, "it")

    def _conversation(self, line: str, first: Any, values: Iterator[Any]) -> Read | RowError:
        turns, begin, bad = [first], self._text.position, self._text.bad
        for value in values:
            turns.append(value)
            bad = bad or self._text.bad
            if self._text.position - begin > LONGEST_ROW:
                raise ValueError(f"{line}: the conversation that begins here is longer than {LONGEST_ROW >> 20} MiB")
        return bad or (line, {MESSAGES: turns})

    def _values(self) -> Iterator[Any]:
        """The elements of the list that the text stands at, and go past it."""
        text = self._text
        text.skip()
        following = text.first()
        while following != "]":
            yield text.value()
            following = text.first()
            if following == ",":
                text.skip()
                following = text.first()
            elif following != "]":
                raise _Unclosed
        text.skip()

    def _unclosed(self) -> RowError:
        if not self._text.first():
            return RowError(self._name, "the file ends before the list does; its closing ] is missing")
        return RowError(self._place, "a comma or the closing ] is missing after it")

    def _row(self, value: Any, where: str, what: str) -> Read | RowError:
        if self._text.bad is not None:
            return self._text.bad
        if isinstance(value, dict):
            return where, value
        if isinstance(value, list) and value and all(map(is_any_turn, value)):
            return where, {MESSAGES: value}
        return RowError(where, f"{what} is {kind_of_value(value)}, not an object")
