"""EngineOutput: what an engine and all below it have written to its output, line by line, with a level for each"""

from __future__ import annotations

import re
from pathlib import Path

from cockpit.disk import open_to_read
from cockpit.runs.sentences import LogLine

END_BYTES = 512 * 1024
"""Read of a longer one: its end, where the reason stands."""
TRACEBACK = "Traceback (most recent call last)"
ERROR = re.compile(r"^\w*(error|exception)\b|\b(error|fatal|critical)\b\s*[:\]]|out of memory|segmentation fault", re.I)
WARNING = re.compile(r"\bwarn(ing)?\b|deprecat|Warning:", re.I)


class EngineOutput:
    """Follows engine.log. What is no text is replaced; of a line that is drawn over again and again, as progress bars
    are, the last state counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at: int | None = None
        self._rest = b""
        self._in_traceback = False
        self.skipped_bytes = 0
        """Before what is read."""

    def poll(self) -> list[LogLine]:
        """The lines that are new and complete. Raises OSError where it cannot be read."""
        with open_to_read(self._path) as stream:
            end = stream.seek(0, 2)
            if self._at is None or end < self._at:  # the first time; or it was begun anew
                self._at = self.skipped_bytes = max(0, end - END_BYTES)
                self._rest = b""
            stream.seek(self._at)
            content = self._rest + stream.read(END_BYTES)
            self._at = stream.tell()
        *lines, self._rest = content.split(b"\n")
        if len(self._rest) > END_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        return [self._line(line) for line in lines]

    def _line(self, raw: bytes) -> LogLine:
        text = raw.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
        return LogLine(0.0, self._level(text), text)

    def _level(self, text: str) -> str:
        """By what it says, as all kinds of programs write there: a traceback is an error to its last line."""
        if text.startswith(TRACEBACK):
            self._in_traceback = True
            return "error"
        if self._in_traceback:
            self._in_traceback = not text or text[0].isspace()
            return "error"
        if ERROR.search(text):
            return "error"
        return "warning" if WARNING.search(text) else "info"
