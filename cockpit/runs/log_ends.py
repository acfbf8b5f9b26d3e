"""LogEnds: what the two ends of a run's log tell, and what is appended to it since"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from cockpit.disk import open_to_read
from cockpit.protocol import event_lines
from cockpit.protocol import events as ev
from cockpit.protocol.values import LONGEST_LINE

HEAD_BYTES = 64 * 1024
TAIL_BYTES = 64 * 1024
"""Read first; 16 times as much as long as it holds no step (a long evaluation, many warnings), 16 MiB at most."""
MOST_NEW_BYTES = 1 << 20
"""What was appended is read where it is no more than this; else the ends are read anew."""
STEPS_KEPT = 64
_SAYS_LITTLE = (b'{"type":"PhaseProgressed"', b'{"type":"LogWritten"')
"""How the lines begin that a long stretch without a step consists of, and that a summary has no use for."""


@dataclass
class LogEnds:
    """The events of a log's head and tail, of steps only the newest few of each, and what is wrong with its lines."""

    events: list[ev.AnyEvent] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    _file: tuple[int, int] = (0, 0)
    """Device and number of the file that was read."""
    _stamp: tuple[int, int] = (0, 0)
    """Its size and the time of its last change then."""
    _end: int = 0
    """Where the last line ends that was read."""

    def read(self, path: Path) -> bool:
        """Read what is new of the log, or its two ends where it is another one. Whether anything was read. A log that
        cannot be read has no events."""
        try:
            with open_to_read(path) as log:
                status = os.fstat(log.fileno())
                file, stamp = (status.st_dev, status.st_ino), (status.st_size, status.st_mtime_ns)
                if (file, stamp) == (self._file, self._stamp):
                    return False
                is_longer = file == self._file and self._end <= status.st_size <= self._end + MOST_NEW_BYTES
                if is_longer and self._end:
                    self._read_on(log, status.st_size)
                else:
                    self._read_ends(log, status.st_size)
                self._file, self._stamp = file, stamp
        except OSError:
            self.events, self.damage, self._file, self._stamp, self._end = [], [], (0, 0), (0, 0), 0
        return True

    def _read_on(self, log: BufferedReader, size: int) -> None:
        log.seek(self._end)
        content = log.read(size - self._end)
        whole = content[: content.rfind(b"\n") + 1]
        self._end += len(whole)
        self.events = _worth_keeping(self.events + event_lines.decode_lines(whole, self.damage))

    def _read_ends(self, log: BufferedReader, size: int) -> None:
        self.damage = []
        head, tail_bytes = log.read(HEAD_BYTES), TAIL_BYTES
        while True:
            start = max(HEAD_BYTES, size - tail_bytes)
            log.seek(start)
            tail = log.read(max(0, size - start))
            if start == HEAD_BYTES or b'"type":"StepEnded"' in tail or tail_bytes > LONGEST_LINE:
                break
            tail_bytes *= 16
        self._end = start + tail.rfind(b"\n") + 1 if b"\n" in tail else head.rfind(b"\n") + 1
        if start > HEAD_BYTES:
            head, tail = head[: head.rfind(b"\n") + 1], tail[tail.find(b"\n") + 1 :]
        if tail_bytes > TAIL_BYTES:
            tail = b"\n".join(line for line in tail.split(b"\n") if not line.startswith(_SAYS_LITTLE))
        self.events = _worth_keeping(event_lines.decode_lines(head + tail, self.damage))


def _worth_keeping(events: list[ev.AnyEvent]) -> list[ev.AnyEvent]:
    """Those that a summary is made of."""
    steps = sum(isinstance(event, ev.StepEnded) for event in events)
    kept: list[ev.AnyEvent] = []
    for event in events:
        if isinstance(event, ev.PhaseProgressed | ev.LogWritten):
            continue
        if isinstance(event, ev.StepEnded):
            steps -= 1
            if steps >= STEPS_KEPT:
                continue
        kept.append(event)
    return kept
