"""JsonText: the text of a JSON file, decoded as far as it is needed, value by value, and where in it one stands"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter, deque
from typing import IO, Any

from cockpit.data.row_error import LONGEST_ROW, RowError, not_utf_8, refuse_binary
from cockpit.data.shown import shown_name

CHUNK = 1 << 18
SPACE = re.compile(r"[ \t\r\n\ufeff\x1e]+")
"""White space, and what stands between texts that were put together: a byte order mark, a record separator."""
NEXT_VALUE = re.compile(r"\n(?=[{\[])")
"""Where reading goes on after a broken value: at the next line that begins with a bracket."""
BAD_BYTE = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as Python's surrogateescape reads it."""


_DEEP = "nested too deep"


class BrokenJson(Exception):
    """The text at this place is no complete value; the message says why."""

    @property
    def is_deep(self) -> bool:
        """Whether brackets stand in brackets beyond what can be read."""
        return str(self) == _DEEP


class JsonText:
    """A file's text. `line` is the one that the text stands at, counted from 1."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        """Raises ValueError where the file is no text in UTF-8."""
        self.line = 1
        self.bad: RowError | None = None
        """Of the value that was read last: why it cannot be used though it is complete. It holds a byte that is not
        UTF-8, or an object with one key twice, of which JSON would keep the last alone."""
        self._doubled: list[str] = []
        self._decoder_of_values = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=_constant)
        self._name = name
        self._stream = stream
        # Bytes that are not UTF-8 become characters that no UTF-8 text has, so that only their rows are lost.
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="surrogateescape")
        self._text = ""
        self._at = 0
        self._begun = 0
        """Characters of the file before `_text`."""
        self._bad_bytes: deque[tuple[int, int]] = deque()
        """Bytes that are not UTF-8, from this place on: the characters of the file before each, and the byte."""
        self._ended = False
        self._more(CHUNK)

    @property
    def position(self) -> int:
        """Characters of the file before this place."""
        return self._begun + self._at

    def first(self) -> str:
        """Go to the next character that is no white space; empty where the file ends before."""
        while True:
            if match := SPACE.match(self._text, self._at):
                self._go(match.end())
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(CHUNK):
                return ""

    def skip(self) -> None:
        """Go past the character that `first` has found."""
        self._at += 1

    def value(self) -> Any:
        """The value that the text stands at, and go past it; `bad` tells whether it can be used.

        Raises BrokenJson where it is broken, and stays there; ValueError where it does not end within LONGEST_ROW.
        """
        wanted = CHUNK
        while True:
            self._doubled.clear()
            try:
                value, end = self._decoder_of_values.raw_decode(self._text, self._at)
            except RecursionError:
                raise BrokenJson(_DEEP) from None
            except ValueError as error:
                # An error that is not at the end of what was read is there whatever follows.
                cut = getattr(error, "pos", 0) >= len(self._text) - 16 or "nterminated" in str(error)
                if cut and len(self._text) - self._at >= LONGEST_ROW:
                    raise ValueError(
                        f"{self._name}:{self.line}: what begins here does not end within {LONGEST_ROW >> 20} MiB; "
                        "put a row on a line"
                    ) from None
                if cut and self._more(wanted):
                    wanted *= 2
                    continue
                raise BrokenJson(_why(error)) from None
            if end == len(self._text) and self._more(wanted):
                continue  # a number may go on
            self.bad = self._bad_byte(end) if self._bad_bytes else None
            if self._doubled:
                self.bad = self.bad or RowError(f"{self._name}:{self.line}", _twice(self._doubled[0]))
            self._go(end)
            return value

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            self._doubled += [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
        return found

    def recover(self, error: BrokenJson) -> RowError:
        """Go past the broken value that the text stands at, to the next line that begins with a bracket, or the end.

        The error names the lines that are passed over.
        """
        first_line, begin = self.line, self._at
        line_end = self._text.find("\n", begin)
        why = _why_broken(self._text[begin:line_end]) if line_end >= 0 and not error.is_deep else ""
        found = False
        while not found:
            match = NEXT_VALUE.search(self._text, self._at)
            found = match is not None
            self._go(match.end() if match is not None else max(self._text.rfind("\n"), self._at))
            if not found and not self._more(CHUNK):
                break
        last_line = self.line - 1 if found else self.line
        self._go(self._at if found else len(self._text))
        where = f"{self._name}:{first_line}"
        if last_line <= first_line:
            why = why or str(error)
            return RowError(where, f"this line is no complete JSON object ({why}); give a row a line, or a list in []")
        return RowError(where, f"lines {first_line:,} to {last_line:,} are no complete JSON object ({error})")

    def _go(self, at: int) -> None:
        line_end = self._text.find(
            "\n", self._at, at
        )  # most often there is none, which is found out faster than counted
        if line_end >= 0:
            self.line += self._text.count("\n", line_end, at)
        self._at = at

    def _more(self, wanted: int) -> bool:
        """Read on, where the file has not ended. What the text has passed is forgotten."""
        if self._ended:
            return False
        content = self._stream.read(wanted)
        if not self._begun and not self._text:
            refuse_binary(content[:4096], self._name)
        self._ended = not content
        added = self._decoder.decode(content, final=self._ended)
        if not added.isascii():
            self._note_bad_bytes(added)
        self._begun += self._at
        self._text, self._at = self._text[self._at :] + added, 0
        return bool(added) or not self._ended

    def _note_bad_bytes(self, added: str) -> None:
        try:
            added.encode()
        except UnicodeEncodeError:
            begin = self._begun + len(self._text)
            found = ((match.start() + begin, ord(match[0]) - 0xDC00) for match in BAD_BYTE.finditer(added))
            self._bad_bytes.extend(found)

    def _bad_byte(self, end: int) -> RowError | None:
        """The first one before `end`, those before this place forgotten."""
        while self._bad_bytes and self._bad_bytes[0][0] < self.position:
            self._bad_bytes.popleft()
        if not self._bad_bytes or self._bad_bytes[0][0] >= self._begun + end:
            return None
        at, byte = self._bad_bytes[0]
        line = self.line + self._text.count("\n", self._at, at - self._begun)
        return not_utf_8(f"{self._name}:{line}", byte)


def _constant(name: str) -> float | None:
    """NaN is what pandas writes where nothing is."""
    return None if name == "NaN" else float(name)


def _twice(name: str) -> str:
    return f"the key {shown_name(name)} stands twice in one object, and only one of its values could be used"


def _why(error: ValueError) -> str:
    """What is wrong with the JSON; without the place that the reason's last word announces."""
    return str(getattr(error, "msg", error)).removesuffix(" at")


def _why_broken(line: str) -> str:
    """Why a line alone is no JSON; empty where it is."""
    try:
        json.loads(line)
    except ValueError as error:
        return _why(error)
    except RecursionError:
        return _DEEP
    return ""
