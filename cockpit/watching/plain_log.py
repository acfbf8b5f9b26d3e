"""PlainLog: what a trainer has printed: the dict lines of transformers and TRL, and the progress bar between them"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from cockpit.text.plain_text import plain_line
from cockpit.watching.entries import Entry, entry_of
from cockpit.watching.tail import PART_BYTES, TailedFile

_bar = re.compile(r"^\s*\d{1,3}%\|[^|]*\|\s*(\d+)/(\d+) \[[\d:]+<[\d:?]+,\s*(?:(\d+(?:\.\d+)?)(it/s|s/it)|\?it/s)")
_ansi = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_raised = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Killed)\b(?::|$)")
LONGEST_LINE = 1 << 16
MOST_KNOWN = 8192
"""Files of which it is remembered whether they are a trainer's."""
TRACEBACK = "Traceback (most recent call last):"


class PlainLog(TailedFile):
    """Entries of what was printed. The step of an entry is that of the bar which is drawn anew right after it; where no
    bar is, or not in that order, entries are counted: `counts_entries` says so. `lines` has what else was printed since
    it was last emptied; `raised` is the exception that it ends with, empty where it does not."""

    kind = "log"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.settings: dict[str, Any] = {}
        self.counts_entries = False
        self._begin()

    def _begin(self) -> None:
        self._rest = ""
        self._waiting: list[Entry] = []
        """Entries after which no bar was drawn yet."""
        self._has_bars = self._in_traceback = False
        self._step = 0
        self.total_steps = 0
        self.lines: list[str] = []
        self.raised = ""

    def read(self) -> list[Entry]:
        """What is new. Where it shows that bars and entries are not in the order in which they came about, as the
        trainer's output was put by, all entries come again, counted."""
        read = self._tail.read()
        *lines, self._rest = re.split(r"[\r\n]", self._rest + read.decode(errors="replace"))
        if len(self._rest) > LONGEST_LINE:
            self._rest = ""
        found: list[Entry] = []
        # A bar ends without a line feed.
        last = [self._rest] if not self.is_behind and _bar.match(_ansi.sub("", self._rest)) else []
        for line in [*lines, *last]:
            found += self._of_line(_ansi.sub("", line))
        if sum(one.kind == "step" for one in self._waiting) > 1:
            self._tail.close()
            self._begin()
            self.counts_entries, self._tail.is_behind = True, True
            return []
        return found

    def close(self) -> None:
        """Close the file; a later read begins anew."""
        self._tail.close()
        self._begin()

    def _of_line(self, line: str) -> list[Entry]:
        if line.endswith(TRACEBACK):  # right behind a bar, where one was drawn
            self._in_traceback = True
            return []
        if bar := _bar.match(line):
            self._has_bars = True
            return self._told_by(bar)
        text = line.strip()
        if text.startswith("{") and text.endswith("}") and (entry := _entry(text)) is not None:
            self.raised, self._in_traceback = "", False
            if entry.step is not None or entry.kind == "end":
                return [entry if entry.step is not None else replace(entry, step=self._step)]
            if self._has_bars and not self.counts_entries:
                self._waiting.append(entry)
                return []
            self.counts_entries = True
            self._step += entry.kind == "step"
            return [replace(entry, step=self._step)]
        if self._in_traceback and not line.startswith(" ") and _raised.match(text):
            self.raised, self._in_traceback = plain_line(text), False
        if text and "%|" not in text:
            self.lines.append(plain_line(text))
        return []

    def _told_by(self, bar: re.Match[str]) -> list[Entry]:
        """What waits, with the step and the pace of the bar behind it; a bar of something else has another total."""
        step, total, rate, unit = int(bar[1]), int(bar[2]), bar[3], bar[4]
        is_another = bool(self.total_steps) and total != self.total_steps
        if not self._waiting or self.counts_entries or not step or is_another or step < self._step:
            return []
        if sum(one.kind == "step" for one in self._waiting) > 1:
            return []
        self.total_steps, self._step = total, step
        step_s = None if not rate or not float(rate) else float(rate) if unit == "s/it" else 1 / float(rate)
        told = [replace(one, step=step, step_time_s=step_s) for one in self._waiting]
        self._waiting = []
        return told


def is_trainers(path: Path) -> bool:
    """Whether a file's beginning or end has a line of a trainer. A file that has stayed as it was is not read again."""
    try:
        now = path.stat()
    except OSError:
        return False
    return _is_trainers(path, now.st_ino, now.st_size, now.st_ctime_ns)


@lru_cache(maxsize=MOST_KNOWN)
def _is_trainers(path: Path, inode: int, size: int, changed_ns: int) -> bool:
    try:
        with path.open("rb") as log:
            content = log.read(PART_BYTES)
            if size > PART_BYTES:
                log.seek(size - PART_BYTES)
                content += b"\n" + log.read(PART_BYTES)
    except OSError:
        return False
    text = _ansi.sub("", content.decode(errors="replace"))
    return any(
        line.startswith("{") and line.endswith("}") and _entry(line) is not None
        for line in map(str.strip, re.split(r"[\r\n]", text))
    )


def _entry(line: str) -> Entry | None:
    """Of a line that is a dict with a loss, or with what else a trainer logs by the epoch."""
    if len(line) > LONGEST_LINE:
        return None
    bare = re.sub(r"(?<=: )(-?)(nan|inf)(?=[,}])", r"'\1\2'", line)
    try:
        read = ast.literal_eval(bare)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(read, dict) or not all(isinstance(name, str) for name in read):
        return None
    if not {"loss", "eval_loss", "train_loss", "epoch"} & read.keys():
        return None
    return entry_of(read)
