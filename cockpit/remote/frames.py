"""What the two ends of a connection tell each other, in frames: four bytes of length, and msgpack"""

from __future__ import annotations

from typing import Any

import msgspec

from cockpit.runs.liveness import Liveness

MARK = b"\0cockpit-mirror-1\n"
"""Comes first: what a login shell has printed before it is passed over."""
LONGEST = 1 << 26
WHOLE = -1


class Frame(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One of them."""


class Hello(Frame, frozen=True, kw_only=True, tag=True):
    """The far end: its version, and its GPUs as GpuReport has them in JSON."""

    version: str
    gpus: bytes


class Piece(Frame, frozen=True, kw_only=True, tag=True):
    """Bytes of a file from `offset` on; WHOLE: all of it, in place of what was there. `age_s`: seconds since it
    was last written."""

    run: str
    name: str
    offset: int
    data: bytes
    age_s: float = 0.0


class Beat(Frame, frozen=True, kw_only=True, tag=True):
    """Sent every two seconds: each run that there is, with its engine's liveness and seconds of silence.
    `taken`: commands that lie before their engines since the last one, each by its run and its id."""

    runs: dict[str, tuple[Liveness, float]]
    taken: tuple[tuple[str, str], ...] = ()


class Files(Frame, frozen=True, kw_only=True, tag=True):
    """Of a run that is fetched: its files with their sizes and SHA-256."""

    run: str
    files: dict[str, tuple[int, str]]


class Ended(Frame, frozen=True, kw_only=True, tag=True):
    """All was sent; or `why` says why not."""

    why: str = ""


class Have(Frame, frozen=True, kw_only=True, tag=True):
    """The near end: how many bytes of which run's which file it has."""

    sizes: dict[str, dict[str, int]]


class Looking(Frame, frozen=True, kw_only=True, tag=True):
    """The runs that somebody looks at."""

    runs: list[str]


class Command(Frame, frozen=True, kw_only=True, tag=True):
    """A command for a run's engine, as in its file."""

    run: str
    content: bytes


def is_run_id(name: str) -> bool:
    """Whether what the other end calls a run can be the name of a folder among the runs: no path, and not hidden."""
    return bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name


AnyFrame = Hello | Piece | Beat | Files | Ended | Have | Looking | Command
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(AnyFrame)


def encode(frame: Frame) -> bytes:
    """The frame's bytes."""
    content = msgspec.msgpack.encode(frame)
    return len(content).to_bytes(4, "big") + content


class FrameReader:
    """Makes frames of bytes as they come. Raises ValueError where they are none of this version."""

    def __init__(self, *, after_mark: bool) -> None:
        """`after_mark`: what comes before MARK is passed over."""
        self._buffer = bytearray()
        self._waits = after_mark

    def feed(self, data: bytes) -> list[AnyFrame]:
        """The frames that are whole now."""
        self._buffer += data
        if self._waits:
            at = self._buffer.find(MARK)
            if at < 0:
                del self._buffer[: -len(MARK)]
                return []
            del self._buffer[: at + len(MARK)]
            self._waits = False
        found = []
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "big")
            if length > LONGEST:
                raise ValueError("a frame is too long")
            if len(self._buffer) < 4 + length:
                break
            try:
                found.append(_decoder.decode(bytes(self._buffer[4 : 4 + length])))
            except msgspec.DecodeError as error:
                raise ValueError(str(error)) from None
            del self._buffer[: 4 + length]
        return found
