"""Events as the lines of a log, and back"""

from __future__ import annotations

from typing import get_args

import msgspec

from cockpit.protocol.events import AnyEvent
from cockpit.protocol.values import UNREADABLE

_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_types = {event.__name__ for event in get_args(AnyEvent)}
_peek: msgspec.json.Decoder[dict[str, object]] = msgspec.json.Decoder(dict[str, object])


def decode(line: bytes) -> AnyEvent | None:
    """One line of a log, or None for what this version does not know: another type, another phase.

    Raises DecodeError where the line is truncated or damaged.
    """
    try:
        return _decoder.decode(line)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None
    except msgspec.ValidationError as error:
        if "Invalid enum value" in str(error) or _has_unknown_type(line):
            return None
        raise


def _has_unknown_type(line: bytes) -> bool:
    try:
        type_ = _peek.decode(line).get("type")
    except UNREADABLE:
        return False
    return isinstance(type_, str) and type_ not in _types


def decode_lines(lines: bytes, damage: list[str] | None = None) -> list[AnyEvent]:
    """The events of a log's lines. Those that are truncated, as a crash leaves them, or of no type of this version are
    left out; so are damaged ones, and `damage` is given the reason of each."""
    try:
        return _decoder.decode_lines(lines)
    except UNREADABLE:
        pass  # which of them it is shows where each is read by itself
    found = []
    for line in lines.split(b"\n"):
        try:
            event = decode(line)
        except msgspec.DecodeError as error:
            if damage is not None and line.strip() and not is_truncated(line, error):
                damage.append(str(error))
            continue
        if event is not None:
            found.append(event)
    return found


def is_truncated(line: bytes, error: msgspec.DecodeError) -> bool:
    """Whether a line that cannot be decoded is one whose writer, or machine, was killed on the way."""
    is_cut = not isinstance(error, msgspec.ValidationError) and "truncated" in str(error)
    return is_cut or line.startswith(b"\0")


def encode(event: AnyEvent) -> bytes:
    """The event as one JSON line, line feed included."""
    return msgspec.json.encode(event) + b"\n"
