"""A safetensors file before it is loaded: what its header says of its tensors, and whether all of it is there"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from cockpit.disk import open_to_read
from cockpit.text.plain_text import plain_line

LONGEST_HEADER = 100_000_000
"""Bytes; a file whose header claims more is no safetensors file."""
NOT_READABLE = (OSError, ValueError, OverflowError, LookupError, TypeError, AttributeError)
"""What reading a header that is none raises."""


def tensors_of(path: Path) -> dict[str, dict[str, Any]]:
    """Each tensor's description (dtype, shape, data_offsets) by its name. Raises one of NOT_READABLE."""
    return _header(path)[1]


def defect_of_safetensors(path: Path) -> str:
    """Why the file cannot be loaded, as a clause; empty where its size is what its header says. Reads the header."""
    name = plain_line(path.name)
    try:
        begin, tensors = _header(path)
        ends = [int(tensor["data_offsets"][1]) for tensor in tensors.values()]
        size = path.stat().st_size
    except FileNotFoundError:
        return f"{name} is missing"
    except EOFError:
        return f"{name} is truncated"
    except NOT_READABLE:
        return f"{name} cannot be read"
    return "" if begin + max(ends, default=0) == size else f"{name} is truncated"


def _header(path: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Bytes before the first tensor, and each tensor's description. Raises EOFError where the header is incomplete."""
    status = path.stat()
    return _header_of(path, (status.st_size, status.st_mtime_ns))


@functools.lru_cache(maxsize=256)
def _header_of(path: Path, version: tuple[int, int]) -> tuple[int, dict[str, dict[str, Any]]]:
    with open_to_read(path) as stream:
        length = int.from_bytes(stream.read(8), "little")
        if version[0] < 8 or length > version[0] - 8:
            raise EOFError
        if length > LONGEST_HEADER:
            raise ValueError("no safetensors file")
        header = json.loads(stream.read(length))
    return 8 + length, {name: tensor for name, tensor in header.items() if name != "__metadata__"}
