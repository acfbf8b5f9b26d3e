"""FarEnd: on the machine that trains: tells what is new in the runs' files, and hands commands on to their engines

It lives as long as the ssh connection that has started it.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cockpit import __version__
from cockpit.disk import open_regular, read_regular
from cockpit.protocol import commands
from cockpit.protocol.commands import UnreadableCommand
from cockpit.remote.frames import (
    LONGEST,
    MARK,
    WHOLE,
    AnyFrame,
    Beat,
    Command,
    Frame,
    FrameReader,
    Have,
    Hello,
    Looking,
    Piece,
    encode,
    is_run_id,
)
from cockpit.runs.folder import RunDir, all_runs
from cockpit.runs.liveness import Liveness

LOGS = ("events.jsonl", "chat.jsonl", "export.jsonl", "gpu.jsonl", "engine.log")
"""Files that only grow: their new bytes are sent."""
ENDS = {"gpu.jsonl": 1 << 20, "engine.log": 1 << 19}
"""Of which only the end is sent."""
SMALL = ("recipe.yaml", "recipe.written.yaml", "label.json", "engine.json", "conversations.json", "votes.jsonl")
"""Files that are sent whole, where they have changed."""
SMALL_BYTES, PART_BYTES = 1 << 22, 1 << 18
MOST_RUNS = 200
"""The newest."""
TICK_S, BEAT_S, LOOKS_S = 0.2, 2.0, 10.0
ANSWERS_BYTES = 1 << 20
"""Of the end of a run's logs, in which an answer to a command is looked for that comes a second time."""
ACTIVE = ("starting", "alive", "silent")


class FarEnd:
    """Reads from `source`, writes to `sink`, both descriptors; `gpus` is what is known of this machine's, in JSON."""

    def __init__(self, source: int, sink: int, gpus: bytes) -> None:
        self._source, self._sink, self._gpus = source, sink, gpus
        self._reader = FrameReader(after_mark=False)
        self._sent: dict[tuple[str, str], int] = {}
        """Bytes of a log that were sent, by run and file."""
        self._stamps: dict[tuple[str, str], tuple[int, int]] = {}
        self._looked_at: dict[str, float] = {}
        """When somebody was last said to look at a run."""
        self._liveness: dict[str, tuple[Liveness, float]] = {}
        self._has_begun = False

    def run(self) -> None:
        """Until the connection ends."""
        os.write(self._sink, MARK)
        beat_at = float("-inf")
        is_behind = False
        while True:
            ready, _, _ = select.select([self._source], [], [], 0.0 if is_behind else TICK_S)
            if ready:
                data = os.read(self._source, PART_BYTES)
                if not data:
                    return
                for frame in self._reader.feed(data):
                    self._take(frame)
            if not self._has_begun:
                continue
            is_beat = time.monotonic() - beat_at >= BEAT_S
            if is_beat:
                beat_at = time.monotonic()
                self._beat()
            is_behind = self._send_news(everywhere=is_beat or is_behind)

    def _take(self, frame: AnyFrame) -> None:
        if isinstance(frame, Have):
            self._sent = {(run, name): size for run, files in frame.sizes.items() for name, size in files.items()}
            self._has_begun = True
            self._write(Hello(version=__version__, gpus=self._gpus))
        elif isinstance(frame, Looking):
            for name in frame.runs:
                self._looked_at[name] = time.monotonic()
                if (run := _run(name)) is not None:
                    _quietly(run.touch_lease)
        elif isinstance(frame, Command) and (run := _run(frame.run)) is not None:
            self._put_before_engine(run, frame.content)

    def _put_before_engine(self, run: RunDir, content: bytes) -> None:
        """A command, once: the desk sends it again where it has not heard that it is there."""
        command = commands.read(content, "command")
        if isinstance(command, UnreadableCommand):
            return
        try:
            if not _has(run, command.id):
                run.send(command)
        except OSError:
            return  # a full disk; the engine does not answer, and that is seen
        self._write(Beat(runs=self._liveness, taken=((run.id, command.id),)))

    def _beat(self) -> None:
        runs = all_runs()[:MOST_RUNS]
        self._liveness = {run.id: (run.liveness(), min(run.silence_s(), 1e9)) for run in runs}
        self._write(Beat(runs=self._liveness))

    def _send_news(self, *, everywhere: bool) -> bool:
        """Of runs that go on or are looked at, or of all. Whether more is left."""
        now, is_behind = time.monotonic(), False
        for name, (liveness, _) in self._liveness.items():
            is_looked_at = now - self._looked_at.get(name, float("-inf")) < LOOKS_S
            if everywhere or is_looked_at or liveness in ACTIVE:
                for frame in self._news_of(name):
                    self._write(frame)
                    is_behind = is_behind or (frame.offset != WHOLE and len(frame.data) == PART_BYTES)
        return is_behind

    def _news_of(self, run: str) -> Iterator[Piece]:
        folder = RunDir(_place(run)).path
        for name in SMALL:
            yield from self._changed(run, folder / name)
        for name in LOGS:
            yield from self._grown(run, folder / name)

    def _changed(self, run: str, path: Path) -> Iterator[Piece]:
        try:
            status = path.stat()
            stamp = status.st_mtime_ns, status.st_size
            if self._stamps.get((run, path.name)) == stamp or status.st_size > SMALL_BYTES:
                return
            data = read_regular(path, SMALL_BYTES)
        except OSError:
            return
        self._stamps[run, path.name] = stamp
        yield Piece(run=run, name=path.name, offset=WHOLE, data=data, age_s=max(0.0, time.time() - status.st_mtime))

    def _grown(self, run: str, path: Path) -> Iterator[Piece]:
        """The next part of a log. One that has become shorter is another one, and sent anew."""
        key = run, path.name
        try:
            size, sent = path.stat().st_size, self._sent.get(key, 0)
            if size == sent:
                return
            sent = 0 if size < sent else sent
            sent = max(sent, size - ENDS.get(path.name, size))
            descriptor = open_regular(path)
            try:
                data = os.pread(descriptor, PART_BYTES, sent)
            finally:
                os.close(descriptor)
        except OSError:
            return
        self._sent[key] = sent + len(data)
        yield Piece(run=run, name=path.name, offset=sent, data=data)

    def _write(self, frame: Frame) -> None:
        content = memoryview(encode(frame))
        assert len(content) < LONGEST
        while content:
            content = content[os.write(self._sink, content) :]


def _place(run: str) -> Path:
    from cockpit.paths import runs_folder

    return runs_folder() / run


def _run(name: str) -> RunDir | None:
    """The run of that id; None where there is none, and for what is no id."""
    if not is_run_id(name):
        return None
    return RunDir(_place(name)) if _place(name).is_dir() else None


def _has(run: RunDir, command_id: str) -> bool:
    """Whether the command waits for the run's engine, or was answered by it lately. Raises OSError."""
    if any(path.name.endswith(f"-{command_id}.json") for path in run.commands.iterdir()):
        return True
    return any(msgspec.json.encode(command_id) in _end_of(log) for log in (run.events, run.chat) if log.exists())


def _end_of(path: Path) -> bytes:
    log = open_regular(path)
    try:
        return os.pread(log, ANSWERS_BYTES, max(0, os.fstat(log).st_size - ANSWERS_BYTES))
    finally:
        os.close(log)


def _quietly(do: object) -> None:
    try:
        do()  # type: ignore[operator]
    except OSError:
        pass  # a full disk; the engine does not answer, and that is seen


def gpu_facts() -> bytes:
    """What the driver says, in JSON."""
    from cockpit.machine.gpu import GpuProbe

    return msgspec.json.encode(GpuProbe().wait())
