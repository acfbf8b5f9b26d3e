"""Appending events to a log, and following one that another process appends to."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from cockpit.disk import open_regular, open_to_read
from cockpit.protocol import event_lines
from cockpit.protocol.events import AnyEvent, ReplyGrew, ReplyStarted
from cockpit.protocol.values import LONGEST_LINE
from cockpit.text.plain_text import without_logins

ATTEMPT = re.compile(rb'"attempt":(\d{1,9})\b')
"""Quotes within a text of an event are escaped, so that no text looks like this."""
READ_BYTES = 1 << 17
"""A poll reads no more than this beyond what holds an event, so that a frame's work is bounded."""


class EventWriter:
    """Appends to one log. Each event is one write, so that a reader never sees two lines mixed."""

    def __init__(self, path: Path, attempt: int | None = None) -> None:
        """Opens `path`, made if absent; goes on counting where it ends. A truncated last line is ended first.

        Without `attempt`, events belong to the one that the log ends with.
        """
        self._fd = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, follow=False)
        self._attempt = attempt or newest_attempt(path) or 1
        self._seq, end = 0, b"\n"
        while content := os.read(self._fd, READ_BYTES):
            self._seq += content.count(b"\n")
            end = content[-1:]
        self._is_truncated = end != b"\n"
        self._end_truncated_line()

    def append(self, event: AnyEvent) -> AnyEvent:
        """Stamp the event with seq, at and attempt, write it without logins, and return it.

        Raises OSError where it cannot be written (a full disk); a line that was cut off so spoils none after it.
        """
        self._end_truncated_line()
        stamped = msgspec.structs.replace(event, seq=self._seq, at=time.time(), attempt=self._attempt)
        line = event_lines.encode(stamped)
        if len(line) > LONGEST_LINE:
            line = event_lines.encode(_shortened(stamped))
        if b"://" in line and not isinstance(event, ReplyStarted | ReplyGrew):  # what was said is kept as it was said
            line = without_logins(line.decode()).encode()
        while line:
            written = os.write(self._fd, line)
            line = line[written:]
            self._is_truncated = bool(line)
        self._seq += 1
        return stamped

    def _end_truncated_line(self) -> None:
        if self._is_truncated:
            os.write(self._fd, b"\n")
            self._is_truncated = False
            self._seq += 1

    def close(self) -> None:
        """Nothing can be written afterwards."""
        os.close(self._fd)


def _shortened(event: AnyEvent) -> AnyEvent:
    """The event with its texts cut where they are too long for a line."""
    most = LONGEST_LINE // 64  # a character may take 12 bytes in JSON, and there are a few texts
    long = {
        name: value[:most] + "..."
        for name, value in msgspec.structs.asdict(event).items()
        if isinstance(value, str) and len(value) > most
    }
    return msgspec.structs.replace(event, **long)


def newest_attempt(path: Path) -> int:
    """The attempt that the log at `path` ends with; 0 where there is no log or nothing in it."""
    try:
        with open_to_read(path) as log:
            size, span = os.fstat(log.fileno()).st_size, READ_BYTES
            while True:
                start = log.seek(max(0, size - span))
                found = _attempt_in(log.read(span))
                if found or start == 0 or span > LONGEST_LINE:
                    return found
                span *= 8  # the last line is a long one
    except OSError:
        return 0


def newest_event(path: Path) -> AnyEvent | None:
    """The last event of the log at `path`; None where it ends with a truncated line, or holds none."""
    try:
        with open_to_read(path) as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - READ_BYTES))
            lines = log.read(READ_BYTES).split(b"\n")
    except OSError:
        return None
    last = event_lines.decode_lines(lines[-2]) if len(lines) > 1 and not lines[-1] else []
    return last[0] if last else None


def _attempt_in(content: bytes) -> int:
    found = ATTEMPT.findall(content)
    return int(found[-1]) if found else 0


class EventReader:
    """Follows one log from its beginning. The file may not exist yet, and its folder may move while it is read."""

    def __init__(self, path: Path, newest_bytes: int | None = None) -> None:
        """With `newest_bytes` no more than these is read of what is there already, from the next line on."""
        self.path = path
        self._newest_bytes = newest_bytes
        self.is_behind = False
        """Whether the last poll read all that it may at once, and so has probably left more behind."""
        self._fd: int | None = None
        self._truncated: list[bytes] = []
        """What has been read of the last line, which waits for its rest."""
        self._truncated_bytes = 0
        self._is_passed_over = False
        """Whether the line that has been begun is left out, as it is too long or was entered in its middle."""

    def skip_to_end(self) -> None:
        """Pass over all that the log holds now."""
        with suppress(OSError):
            if self._fd is None:
                self._fd = open_regular(self.path)
            os.lseek(self._fd, 0, os.SEEK_END)

    def poll(self) -> list[AnyEvent]:
        """The next events appended since the last call; a truncated last line waits for its rest.

        It reads on until it has an event, as within a long line, so that an empty list means the end of the log. Only
        a stretch of more than LONGEST_LINE without an event, which no engine writes, ends a poll before that.
        Lines that are no events of this version are skipped. A log that is out of reach, as on a network file system,
        has nothing new.
        """
        self.is_behind = True
        found: list[AnyEvent] = []
        left = LONGEST_LINE + READ_BYTES
        while self.is_behind and not found and left > 0:
            read = self._read()
            left -= len(read)
            self.is_behind = len(read) == READ_BYTES
            found = event_lines.decode_lines(self._completed_by(read))
        return found

    def _read(self) -> bytes:
        try:
            if self._fd is None:
                self._fd = open_regular(self.path)
                self._pass_over_older()
            return os.read(self._fd, READ_BYTES)
        except OSError:
            return b""

    def _pass_over_older(self) -> None:
        assert self._fd is not None
        begin = os.fstat(self._fd).st_size - self._newest_bytes - 1 if self._newest_bytes is not None else 0
        if begin > 0:
            os.lseek(self._fd, begin, os.SEEK_SET)
            self._is_passed_over = True

    def _completed_by(self, read: bytes) -> bytes:
        """The lines that end in what was read. One that is longer than LONGEST_LINE is passed over."""
        begin, end = read.find(b"\n") + 1, read.rfind(b"\n") + 1
        first = read[:begin] if end else read
        self._truncated.append(first)
        self._truncated_bytes += len(first)
        if self._is_passed_over or self._truncated_bytes > LONGEST_LINE:
            self._is_passed_over = True
            self._truncated.clear()
        if not end:
            return b""
        lines = b"".join([*self._truncated, read[begin:end]])
        self._truncated = [read[end:]]
        self._truncated_bytes, self._is_passed_over = len(read) - end, False
        return lines

    def close(self) -> None:
        """Let the file go; a later poll begins anew."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            self._truncated, self._truncated_bytes, self._is_passed_over = [], 0, False
            self.is_behind = False
