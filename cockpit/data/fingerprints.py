"""Fingerprints of files: every byte is read, and 128 bits tell whether one has changed. Several GB/s; no proof against
somebody who means to deceive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cockpit.disk import open_to_read

CHUNK = 1 << 22


def fingerprint_of(path: Path, on_progress: Callable[[], None] = lambda: None) -> str:
    """Of the file's content, as hexadecimal digits. `on_progress` is called now and then, and may raise to end the
    work. Raises OSError."""
    import xxhash

    digest = xxhash.xxh3_128()
    with open_to_read(path) as stream:
        while content := stream.read(CHUNK):
            digest.update(content)
            on_progress()
    return digest.hexdigest()


def fingerprint_of_bytes(*parts: bytes) -> str:
    """Of the parts, each with its length."""
    import xxhash

    digest = xxhash.xxh3_128()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
