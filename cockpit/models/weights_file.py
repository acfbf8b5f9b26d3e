"""A safetensors file before it is loaded: what its header says of its tensors, and whether all of it is there"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TypeVar

import msgspec

from cockpit.disk import open_to_read
from cockpit.protocol.values import UNREADABLE
from cockpit.text.plain_text import plain_line

LONGEST_HEADER = 32 << 20
"""Bytes. It describes about 200,000 tensors, and is looked through in a tenth of a second, while a screen waits."""
NOT_READABLE = (OSError, ValueError, OverflowError, LookupError, TypeError, AttributeError)
"""What reading a header that is none raises."""
METADATA = "__metadata__"
"""The one entry of a header that is no tensor."""


class _Shape(msgspec.Struct):
    shape: tuple[int, ...] | None = None


class _Place(msgspec.Struct):
    data_offsets: tuple[int, int] | None = None


Entry = TypeVar("Entry")


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor by its name. Raises EOFError where the header is cut off, else one of NOT_READABLE."""
    shapes = {name: entry.shape for name, entry in _entries(path, _Shape)[1].items() if name != METADATA}
    known = {name: shape for name, shape in shapes.items() if shape is not None}
    if len(known) < len(shapes):
        raise ValueError("no safetensors file")
    return known


def defect_of_safetensors(path: Path) -> str:
    """Why the file cannot be loaded, as a clause; empty where its size is what its header says. Reads the header."""
    name = plain_line(path.name)
    try:
        status = path.stat()
        end, size = _end_of(path, (status.st_size, status.st_mtime_ns)), status.st_size
    except FileNotFoundError:
        return f"{name} is missing"
    except EOFError:
        return f"{name} is truncated"
    except NOT_READABLE:
        return f"{name} cannot be read"
    return "" if end == size else f"{name} is truncated"


@functools.lru_cache(maxsize=1024)
def _end_of(path: Path, version: tuple[int, int]) -> int:
    """How long the file has to be. `version` changes whenever the file does."""
    begin, places = _entries(path, _Place)
    offsets = [place.data_offsets for name, place in places.items() if name != METADATA]
    if None in offsets:
        raise ValueError("no safetensors file")
    return begin + max((offset[1] for offset in offsets if offset is not None), default=0)


def _entries(path: Path, of: type[Entry]) -> tuple[int, dict[str, Entry]]:
    """Bytes before the first tensor, and the header's entries as they are asked for."""
    size = path.stat().st_size
    with open_to_read(path) as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > size - 8:
            raise EOFError
        if length > LONGEST_HEADER:
            raise ValueError("no safetensors file")
        header = stream.read(length)
    try:
        return 8 + length, msgspec.json.decode(header, type=dict[str, of])  # type: ignore[valid-type]
    except UNREADABLE as error:
        raise ValueError("no safetensors file") from error
