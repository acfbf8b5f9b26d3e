"""EventFile: a TensorBoard event file as its trainer appends to it

Source: tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto, and TFRecord's framing.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cockpit.watching.entries import LARGEST_STEP, Entry, entry_of
from cockpit.watching.tail import Tail
from cockpit.watching.wire import double, fields, single, text

HEADER_BYTES, FOOTER_BYTES, LONGEST = 12, 4, 1 << 26
WALL_TIME, STEP, SUMMARY = 1, 2, 5
TAG, SIMPLE_VALUE, TENSOR = 1, 2, 8
STRINGS = 8
"""Field of a tensor."""
END = "train/train_loss"
ENDS_WITH = ("train/train_runtime", "train/train_samples_per_second", "train/train_steps_per_second")
"""What transformers logs last, of the whole training, after the figures of the last step."""
SETTINGS = ("args/text_summary", "model_config/text_summary")
"""Where transformers puts its arguments and the model's, as JSON."""


class EventFile:
    """Entries of one trainer. What was logged at once stands in several records, which are joined."""

    kind = "TensorBoard"

    def __init__(self, paths: Sequence[Path]) -> None:
        """The files of one folder, in the order of their names, which begin with their time."""
        self._tails = [Tail(path) for path in paths]
        self._at, self._buffer = 0, b""
        self._has_turned = False
        """Whether the next read is the first of another file."""
        self._open: tuple[int, bool, float, dict[str, object]] | None = None
        """What was logged last: step, whether it is of the held-out rows, time, figures."""
        self.settings: dict[str, Any] = {}

    @property
    def paths(self) -> list[Path]:
        """The files."""
        return [tail.path for tail in self._tails]

    @property
    def is_behind(self) -> bool:
        """Whether the last read has probably left more behind."""
        return self._tails[self._at].is_behind or self._at + 1 < len(self._tails) or self._has_turned

    def read(self) -> list[Entry]:
        """What is new. The last entry may come again, with more in it."""
        read = self._tails[self._at].read()
        self._buffer += read
        found: list[Entry] = []
        for record in self._records():
            try:
                found += self._of_record(record)
            except (ValueError, RecursionError):
                continue  # damaged, or nested without end; the next record begins where this one's length says
        self._has_turned = not read and self._at + 1 < len(self._tails)
        if self._has_turned:
            self._at, self._buffer = self._at + 1, b""
        return [*found, *self._joined()] if found or read else found

    def close(self) -> None:
        """Close the files."""
        for tail in self._tails:
            tail.close()

    def _records(self) -> Iterator[bytes]:
        begin = 0
        while begin + HEADER_BYTES <= len(self._buffer):
            (length,) = struct.unpack_from("<Q", self._buffer, begin)
            end = begin + HEADER_BYTES + length
            if length > LONGEST or end + FOOTER_BYTES > len(self._buffer):
                break
            yield self._buffer[begin + HEADER_BYTES : end]
            begin = end + FOOTER_BYTES
        self._buffer = self._buffer[begin:]

    def _of_record(self, record: bytes) -> list[Entry]:
        at, step, summaries = 0.0, 0, []
        for number, value in fields(record):
            if number == WALL_TIME:
                at = double(value)
            elif number == STEP and isinstance(value, int):
                step = value
            elif number == SUMMARY and isinstance(value, bytes):
                summaries.append(value)
        found: list[Entry] = []
        if step >= LARGEST_STEP:
            return found
        for tag, figure in (one for summary in summaries for one in self._values(summary)):
            is_held_out = tag.startswith(("eval/", "val/", "validation/"))
            if self._open is not None and (self._open[:2] != (step, is_held_out) or tag in self._open[3]):
                found += self._joined()
                self._open = None
            if tag == END and self._open is not None and "train/loss" in self._open[3]:
                own = {one: self._open[3].pop(one) for one in ENDS_WITH if one in self._open[3]}
                found += self._joined()
                self._open = (step, False, at, own)
            if self._open is None:
                self._open = (step, is_held_out, at, {})
            self._open[3][tag] = figure
        return found

    def _values(self, summary: bytes) -> Iterator[tuple[str, float]]:
        for _, value in fields(summary):
            tag, figure, strings = "", None, b""
            for number, part in fields(value) if isinstance(value, bytes) else ():
                if number == TAG:
                    tag = text(part)
                elif number == SIMPLE_VALUE:
                    figure = single(part)
                elif number == TENSOR and isinstance(part, bytes):
                    strings = part
            if figure is not None:
                yield tag, figure
            elif tag in SETTINGS:
                self._take_settings(strings)

    def _take_settings(self, tensor: bytes) -> None:
        for number, value in fields(tensor):
            if number == STRINGS:
                read = json.loads(text(value))
                self.settings |= read if isinstance(read, dict) else {}

    def _joined(self) -> list[Entry]:
        if self._open is None:
            return []
        step, _, at, figures = self._open
        entry = entry_of(figures, step=step, at=at)
        return [entry] if entry is not None else []
