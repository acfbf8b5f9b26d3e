"""The fields of a protobuf message, of which event files and W&B's files are made

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field's number and value: an int where it is a varint, else its bytes. Raises ValueError where the message
    is damaged."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == BYTES:
            length, at = _varint(message, at)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"no wire type {kind}")
        if at + length > len(message):
            raise ValueError("truncated")
        yield number, message[at : at + length]
        at += length


def double(value: int | bytes) -> float:
    """Of a field of 64 bits. Raises ValueError."""
    return _unpacked("<d", value)


def single(value: int | bytes) -> float:
    """Of a field of 32 bits. Raises ValueError."""
    return _unpacked("<f", value)


def text(value: int | bytes) -> str:
    """Of a field of bytes. Raises ValueError."""
    if isinstance(value, int):
        raise ValueError("no text")
    return value.decode()


def _unpacked(form: str, value: int | bytes) -> float:
    if isinstance(value, int) or len(value) != struct.calcsize(form):
        raise ValueError("no number")
    found: float = struct.unpack(form, value)[0]
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("truncated")
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
