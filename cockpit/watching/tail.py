"""Tail: what is appended to a file, a bounded part at a time"""

from __future__ import annotations

import os
from pathlib import Path

from cockpit.disk import open_regular

PART_BYTES = 1 << 17


class Tail:
    """The file need not be there yet. `is_behind`: the last read has probably left more behind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_behind = False
        self._fd: int | None = None

    def read(self) -> bytes:
        """What is new; empty at the end, and where the file is out of reach."""
        try:
            if self._fd is None:
                self._fd = open_regular(self.path)
            read = os.read(self._fd, PART_BYTES)
        except OSError:
            read = b""
        self.is_behind = len(read) == PART_BYTES
        return read

    def close(self) -> None:
        """Let the file go; a later read begins anew."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class TailedFile:
    """A source of entries that is one file."""

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path)

    @property
    def paths(self) -> list[Path]:
        """The file."""
        return [self._tail.path]

    @property
    def is_behind(self) -> bool:
        """Whether the last read has probably left more behind."""
        return self._tail.is_behind
