"""SHA-256 of every file of a saved folder, in the form of `sha256sum`, so that damage is found before it is used"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cockpit.disk import open_to_read, read_regular
from cockpit.text.plain_text import plain_line

CHECKSUMS = "SHA256SUMS"
"""Its name; `sha256sum -c SHA256SUMS` checks the folder too."""
LONGEST_LIST = 1 << 24
"""Bytes."""
NOT_LISTED = (CHECKSUMS, "README.md", ".gitattributes")
"""What people and the Hub write into such a folder, and this list itself."""
THREADS = 4
"""Files that are read at once: hashing lets other threads run."""
_line = re.compile(r"(\\?)([0-9a-f]{64}) [ *](.+)")


def write_checksums(folder: Path) -> None:
    """Write the checksums of all files below `folder`, in place of those that are there. Raises OSError."""
    files = [path for path in _files(folder) if path.name not in NOT_LISTED]
    with ThreadPoolExecutor(THREADS) as pool:
        lines = [
            _line_of(digest, str(path.relative_to(folder)))
            for path, digest in zip(files, pool.map(sha256, files), strict=True)
        ]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def damage(folder: Path) -> str:
    """Which file is not as it was written, as a clause; empty where all are, and where no checksums were written, as
    before there were any. Files that were added since count for nothing. Reads every byte."""
    try:
        text = read_regular(folder / CHECKSUMS, LONGEST_LIST).decode()
        listed = [_line.fullmatch(line) for line in text.removesuffix("\n").split("\n")]
    except FileNotFoundError:
        return ""
    except (OSError, ValueError):
        return f"{CHECKSUMS} cannot be read"
    entries = [(_unescaped(found), found[2]) for found in listed if found]
    is_outside = any(Path(name).is_absolute() or ".." in Path(name).parts for name, _ in entries)
    if len(entries) != len(listed) or not entries or is_outside:
        return f"{CHECKSUMS} is damaged"
    entries = [(name, digest) for name, digest in entries if Path(name).name not in NOT_LISTED]
    with ThreadPoolExecutor(THREADS) as pool:
        checked = pool.map(lambda entry: _damage_of(folder / entry[0], *entry), entries)
        return next(filter(None, checked), "")


def _damage_of(path: Path, name: str, digest: str) -> str:
    shown = plain_line(name)
    try:
        return "" if sha256(path) == digest else f"{shown} is damaged: its SHA-256 is not the one it was saved with"
    except FileNotFoundError:
        return f"{shown} is missing"
    except OSError as error:
        return f"{shown} cannot be read ({plain_line(error.strerror or str(error))})"


def _line_of(digest: str, name: str) -> str:
    """As sha256sum writes it: a backslash before the line says that those in the name escape."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    begin = "" if escaped == name else "\\"
    return f"{begin}{digest}  {escaped}\n"


def _unescaped(line: re.Match[str]) -> str:
    plain = {"n": "\n", "r": "\r"}
    return re.sub(r"\\(.)", lambda found: plain.get(found[1], found[1]), line[3]) if line[1] else line[3]


def sha256(path: Path) -> str:
    """The file's digest, in hexadecimal. Raises OSError."""
    with open_to_read(path) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
