"""WandbFile: the local file of a W&B run, online or offline, as its trainer appends to it

Source: wandb/proto/wandb_internal.proto, and LevelDB's log format.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cockpit.watching.entries import Entry, entry_of
from cockpit.watching.tail import TailedFile
from cockpit.watching.wire import double, fields, text

FILE_HEADER, RECORD_HEADER, BLOCK = 7, 7, 1 << 15
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
HISTORY, CONFIG, RUN, EXIT = 2, 5, 17, 18
ITEM, HISTORY_STEP, UPDATE, RUN_CONFIG, EXIT_CODE = 1, 2, 1, 4, 1
KEY, NESTED_KEY, INTEGER, NUMBER, JSON, VALUE_JSON = 1, 2, 5, 6, 8, 16


class WandbFile(TailedFile):
    """Entries of one run. `exit_code` is what its process ended with; None while it has not."""

    kind = "W&B"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._buffer, self._offset = b"", 0
        """What is not read yet, and where it begins in the file."""
        self._parts: list[bytes] = []
        self.settings: dict[str, Any] = {}
        self.exit_code: int | None = None

    def read(self) -> list[Entry]:
        """What is new."""
        self._buffer += self._tail.read()
        found = []
        for record in self._records():
            try:
                entry = self._of_record(record)
            except (ValueError, RecursionError):  # damaged, or nested without end
                continue
            if entry is not None:
                found.append(entry)
        return found

    def close(self) -> None:
        """Close the file."""
        self._tail.close()

    def _records(self) -> Iterator[bytes]:
        """Records whose parts are there; the rest waits."""
        if self._offset == 0:
            if len(self._buffer) < FILE_HEADER:
                return
            self._skip(FILE_HEADER)
        while True:
            left = BLOCK - self._offset % BLOCK
            if left < RECORD_HEADER:
                if len(self._buffer) < left:
                    return
                self._skip(left)  # what is left of a block is filled up
                continue
            if len(self._buffer) < RECORD_HEADER:
                return
            length, kind = struct.unpack_from("<HB", self._buffer, 4)
            if len(self._buffer) < RECORD_HEADER + length:
                return
            part = self._buffer[RECORD_HEADER : RECORD_HEADER + length]
            self._skip(RECORD_HEADER + length)
            if kind in (FULL, FIRST):
                self._parts = []
            self._parts.append(part)
            if kind in (FULL, LAST):
                yield b"".join(self._parts)
                self._parts = []

    def _skip(self, count: int) -> None:
        self._buffer, self._offset = self._buffer[count:], self._offset + count

    def _of_record(self, record: bytes) -> Entry | None:
        for number, value in fields(record):
            if not isinstance(value, bytes):
                continue
            if number == HISTORY:
                return self._of_history(value)
            if number == CONFIG:
                self._take_settings(value)
            elif number == RUN:
                for part, config in fields(value):
                    if part == RUN_CONFIG and isinstance(config, bytes):
                        self._take_settings(config)
            elif number == EXIT:
                codes = [code for part, code in fields(value) if part == EXIT_CODE and isinstance(code, int)]
                self.exit_code = codes[0] if codes else 0
        return None

    def _of_history(self, history: bytes) -> Entry | None:
        logged: dict[str, object] = {}
        step = None
        for number, value in fields(history):
            if number == ITEM and isinstance(value, bytes):
                name, figure = _item(value)
                logged[name] = figure
            elif number == HISTORY_STEP and isinstance(value, bytes):
                step = next((count for _, count in fields(value) if isinstance(count, int)), 0)
        own = logged.pop("train/global_step", None)
        at = logged.get("_timestamp")
        return entry_of(
            logged,
            step=int(own) if isinstance(own, int | float) and 0 <= own < 10**15 else step,
            at=float(at) if isinstance(at, int | float) and at > 0 else None,
        )

    def _take_settings(self, config: bytes) -> None:
        for number, value in fields(config):
            if number == UPDATE and isinstance(value, bytes):
                name, setting = _item(value)
                self.settings[name] = setting


def _item(item: bytes) -> tuple[str, object]:
    name = ""
    nested: list[str] = []
    value: object = None
    for number, part in fields(item):
        if number == KEY:
            name = text(part)
        elif number == NESTED_KEY:
            nested.append(text(part))
        elif number == INTEGER:
            value = part
        elif number == NUMBER:
            value = double(part)
        elif number in (JSON, VALUE_JSON):
            value = json.loads(text(part))
    return name or "/".join(nested), value
