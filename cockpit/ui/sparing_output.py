"""What goes to the terminal: of each frame only the cells that it changes, as a line may be slow.

Textual sends a widget's line from its left edge up to what has changed in it, and all of a screen that is pushed.
"""

from __future__ import annotations

import os
import re
from typing import Protocol

from rich.cells import cell_len

_token = re.compile(
    r"\x1b\[(?P<row>\d+);(?P<column>\d+)H"
    r"|\x1b\[(?P<style>[0-9;:]*)m"
    r"|(?P<other>\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|.))"
    r"|(?P<line>[\r\n])"
    r"|(?P<text>[^\x1b\r\n]+)",
    re.DOTALL,
)
_one_cell_each = re.compile(
    "[ -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u2010-\u2027\u2030-\u205e\u2190-\u22ff\u2500-\u25fc"
    "\u2713-\u2718\u2800-\u28ff]*"
)
"""Signs that every terminal draws one cell wide. Others are always sent, as one cannot know what became of them."""
_draws_nothing = re.compile(
    r"\x1b\[\?(?:25|1000|1002|1003|1004|1006|1015|1016|2004|2026|2048)[hl]"  # cursor, mouse, focus, pasting, frames
    r"|\x1b\[[<>=?][0-9;]*[cnqu]|\x1b\[[0-9;]*[cnt]|\x1b\[\?[0-9;]*\$p"  # keyboard modes, questions, the title's stack
    r"|\x1b\][012];.*",  # the title
    re.DOTALL,
)
FRAME_BEGINS, FRAME_ENDS = "\x1b[?2026h", "\x1b[?2026l"
RESET = "\x1b[0m"


class Output(Protocol):
    """A text file."""

    def write(self, text: str) -> int: ...

    def flush(self) -> None: ...

    def fileno(self) -> int: ...

    def isatty(self) -> bool: ...


class SparingOutput:
    """A text file that Textual's frames are written to; the file beneath gets what they change. Each call brings whole
    sequences."""

    def __init__(self, file: Output) -> None:
        self._file = file
        self._rows: dict[int, tuple[list[str], list[str]]] = {}
        """Signs and styles of the cells that the terminal is known to show, by row; an empty sign is not known."""
        self._is_forgotten = False
        self._size: tuple[int, int] | None = None
        self._sent: list[str] = []
        self._frame = ""
        """The beginning of a frame of which nothing was sent yet."""
        self._at: tuple[int, int] | None = None
        """Row and column of the terminal's cursor, None where that is not known; and of the next sign, 0 as long as no
        text has said where it belongs."""
        self._row, self._column = 0, 0
        self._style = self._sent_style = ""

    def forget(self) -> None:
        """The terminal may show something else. Any thread may call it."""
        self._is_forgotten = True

    def write(self, text: str) -> int:
        """Send what the text changes."""
        if self._is_forgotten or self._has_another_size():
            self._is_forgotten, self._at = False, None
            self._rows.clear()
        for token in _token.finditer(text):
            self._take(token)
        if self._sent or (self._row and self._at not in (None, (self._row, self._column))):
            self._end()
            self._file.write("".join(self._sent))
            self._sent.clear()
        return len(text)

    def flush(self) -> None:
        """Flush the file beneath."""
        self._file.flush()

    def fileno(self) -> int:
        """The descriptor of the file beneath."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._file.isatty()

    def _has_another_size(self) -> bool:
        """Whether the terminal has changed its size, and so has moved or dropped what it showed."""
        try:
            size = os.get_terminal_size(self._file.fileno())
        except (OSError, ValueError):
            return False
        known, self._size = self._size, size
        return known != size

    def _take(self, token: re.Match[str]) -> None:
        kind = token.lastgroup
        if kind == "text":
            self._put(token["text"])
        elif kind == "style":
            self._style = "" if token["style"] in ("", "0") else token["style"]
        elif kind == "column":
            self._row, self._column = int(token["row"]), int(token["column"])
        elif kind == "line":
            self._go_down(token["line"])
        else:
            self._pass_on(token["other"])

    def _go_down(self, sign: str) -> None:
        """Take a line feed or a carriage return: between lines with places of their own it need not be sent."""
        if not self._row:
            self._sent.append(sign)
        elif sign == "\n":
            self._row += 1
        else:
            self._column = 1

    def _put(self, text: str) -> None:
        if not self._row:
            self._send(None, text)
            return
        row, begin = self._row, self._column - 1
        is_plain = _one_cell_each.fullmatch(text) is not None
        cells = len(text) if is_plain else cell_len(text)
        self._column += cells
        signs, styles = self._rows.setdefault(row, ([], []))
        if len(signs) < begin + cells:
            more = begin + cells - len(signs)
            signs += [""] * more
            styles += [""] * more
        new = [*text] if is_plain else [""] * cells
        was, was_in = signs[begin : begin + cells], styles[begin : begin + cells]
        first, last, new_in = 0, cells, [self._style] * cells
        if is_plain:
            if was == new and was_in == new_in:
                return
            changed = [at for at in range(cells) if was[at] != new[at] or was_in[at] != self._style]
            first, last = changed[0], changed[-1] + 1
            text = text[first:last]
        signs[begin : begin + cells], styles[begin : begin + cells] = new, new_in
        self._send((row, begin + 1 + first), text)
        self._at = (row, begin + 1 + last) if is_plain else None

    def _send(self, place: tuple[int, int] | None, text: str) -> None:
        self._begin()
        if place is not None and self._at != place:
            self._sent.append(f"\x1b[{place[0]};{place[1]}H")
        if self._style != self._sent_style:
            others_end = "0;" if self._sent_style else ""
            self._sent.append(f"\x1b[{others_end}{self._style}m" if self._style else RESET)
            self._sent_style = self._style
        self._sent.append(text)

    def _begin(self) -> None:
        if self._frame:
            self._sent.append(self._frame)
            self._frame = ""

    def _end(self) -> None:
        """Leave the cursor where the text has left it, and no style."""
        self._begin()
        if self._sent_style:
            self._sent.append(RESET)
            self._sent_style = ""
        if self._row and self._at != (self._row, self._column):
            self._sent.append(f"\x1b[{self._row};{self._column}H")
            self._at = (self._row, self._column)

    def _pass_on(self, sequence: str) -> None:
        if sequence == FRAME_BEGINS:
            self._frame = sequence
            return
        if sequence == FRAME_ENDS and self._frame:
            self._frame = ""  # nothing of it was sent
            return
        if _draws_nothing.fullmatch(sequence) is None:
            self._rows.clear()
            self._at, self._row, self._column = None, 0, 0
        self._begin()
        self._sent.append(sequence)
