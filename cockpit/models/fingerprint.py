"""Fingerprint of a model's weights: by it the same model is known again in another folder"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cockpit.disk import open_to_read
from cockpit.models.folder import ModelFolder
from cockpit.text.plain_text import plain_line

WHOLE_BYTES = 2 << 30
"""Up to so much in all, every byte is hashed: what a disk reads while the training stack is imported."""
SLICES = 64
SLICE_BYTES = 1 << 20
WHOLE, SAMPLED = "sha256:", "sampled-sha256:"
"""What a value begins with. WHOLE is the SHA-256 of the file. SAMPLED is that of its size (8 bytes, little-endian) and
of SLICES slices of SLICE_BYTES, evenly spread from its first byte to its last: other weights are told by it, a few
changed bytes between the slices are not."""
THREADS = 4


def fingerprint(folder: Path) -> dict[str, str]:
    """A value for each file of the weights in `folder`, by its name; empty where there are none. Raises OSError."""
    files = ModelFolder.at(folder).weights
    scheme = WHOLE if sum(path.stat().st_size for path in files) <= WHOLE_BYTES else SAMPLED
    with ThreadPoolExecutor(THREADS) as pool:
        values = pool.map(lambda path: _value(path, scheme), files)
        return {plain_line(path.name): value for path, value in zip(files, values, strict=True)}


def difference(recorded: dict[str, str], folder: Path) -> str:
    """Which file in `folder` is not as `recorded` has it, as a clause; empty where all are. Raises OSError."""
    files = {plain_line(path.name): path for path in ModelFolder.at(folder).weights}
    for name in sorted(recorded.keys() | files.keys()):
        if name not in files:
            return f"{name} is missing"
        if name not in recorded:
            return f"{name} was not among its files"
    with ThreadPoolExecutor(THREADS) as pool:
        values = pool.map(lambda name: _value(files[name], _scheme_of(recorded[name])), recorded)
        differ = (name for name, value in zip(recorded, values, strict=True) if value != recorded[name])
        return next((f"{plain_line(name)} holds other weights" for name in differ), "")


def _scheme_of(value: str) -> str:
    return SAMPLED if value.startswith(SAMPLED) else WHOLE


def _value(path: Path, scheme: str) -> str:
    with open_to_read(path) as content:
        size = os.fstat(content.fileno()).st_size
        if scheme == WHOLE or size <= SLICES * SLICE_BYTES:
            return WHOLE + hashlib.file_digest(content, "sha256").hexdigest()
        digest = hashlib.sha256(size.to_bytes(8, "little"))
        for number in range(SLICES):
            content.seek((size - SLICE_BYTES) * number // (SLICES - 1))
            digest.update(content.read(SLICE_BYTES))
    return SAMPLED + digest.hexdigest()
