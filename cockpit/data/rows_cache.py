"""Tokenized rows that are kept for the next start: entries on disk, found by a key, verified, bounded. No torch."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from cockpit.data.fingerprints import fingerprint_of

LIMIT_GB = 20.0
LIMIT_VARIABLE = "COCKPIT_CACHE_GB"
"""Names another limit, in 10^9 bytes; 0 keeps nothing."""
PARTIAL, INDEX, LOCK, USED = ".partial-", "entry.json", "lock", "used"
"""Beside these an entry's folder holds the files that its index names, each with its fingerprint."""
NEW_S = 60.0


def limit_bytes() -> int:
    """The most that all entries take together. Raises ValueError with a sentence where LIMIT_VARIABLE is no size."""
    named = os.environ.get(LIMIT_VARIABLE, "").strip()
    try:
        limit = float(named) if named else LIMIT_GB
    except ValueError:
        limit = -1.0
    if not 0 <= limit < 1e9:
        raise ValueError(f"{LIMIT_VARIABLE} is {named}, which is no size; give a number of GB, 0 to keep nothing")
    return int(limit * 1e9)


@dataclass(frozen=True)
class Entry:
    """What is kept for one key. `about` says in words and figures what it is of."""

    folder: Path
    about: dict[str, Any]
    size_bytes: int
    used_at: float
    """Unix time when a run last took it."""
    in_use: bool = False
    """Whether a process reads or writes it now."""


class HeldEntry:
    """An entry that was found whole, or was just made; nobody removes it while this object lives."""

    def __init__(self, folder: Path, about: dict[str, Any], lock: IO[bytes] | None) -> None:
        self.folder = folder
        self.about = about
        self._lock = lock


class Draft:
    """A folder of its own in which an entry is made; removed with this object, or with the process, unless it is kept.
    What of its files is mapped into memory then can be read on."""

    def __init__(self, cache: RowsCache, key: str, folder: Path, lock: IO[bytes]) -> None:
        self.folder = folder
        self._cache = cache
        self._key = key
        self._lock = lock
        self._removal = weakref.finalize(self, _drop, folder, lock)

    def keep(self, about: dict[str, Any], fingerprints: dict[str, str]) -> HeldEntry | None:
        """Make it the entry of its key, and make room for it. `fingerprints`: of each of its files, by name.

        None where it is larger than what the cache may take, or the disk is full, or another process was faster.
        """
        cache, place = self._cache, self._cache.folder / self._key
        try:
            size = sum((self.folder / name).stat().st_size for name in fingerprints)
            if size > cache.room():
                return None
            (self.folder / USED).touch()
            index = json.dumps({"key": self._key, "about": about, "files": fingerprints})
            (self.folder / INDEX).write_text(index, encoding="utf-8")
            self.folder.rename(place)
        except OSError:
            return None
        self._removal.detach()
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        cache.make_room()
        return HeldEntry(place, about, self._lock)

    def drop(self) -> None:
        """Remove it now."""
        self._removal()


class RowsCache:
    """The entries below one folder, which need not be there. Several processes may use it at once."""

    def __init__(self, folder: Path, limit: int) -> None:
        """`limit`: bytes of all entries together, of which the least recently used go first."""
        self.folder = folder
        self.limit = limit

    def entries(self) -> list[Entry]:
        """All entries, the last used first; those that are being made come too, as `in_use`. Raises OSError."""
        found = [_entry_of(path) for path in self._folders()]
        return sorted((one for one in found if one is not None), key=lambda one: -one.used_at)

    def find(self, key: str, on_progress: Callable[[], None] = lambda: None) -> HeldEntry | None:
        """The entry of `key`, each byte of it compared with its fingerprint; None where there is none. One that is
        damaged is removed. `on_progress` is called now and then, and may raise to end the work."""
        folder = self.folder / key
        if not folder.is_dir():
            return None
        lock = None
        try:
            lock = _locked(folder / LOCK, fcntl.LOCK_SH)
            if lock is None:
                return None  # it is being removed
            index = _index_of(folder)
            if index is not None and all(
                fingerprint_of(folder / name, on_progress) == wanted for name, wanted in index["files"].items()
            ):
                os.utime(folder / USED)
                return HeldEntry(folder, index["about"], lock)
        except OSError:
            pass  # a file of it is missing
        if lock is not None:
            lock.close()
        self._remove(folder)
        return None

    def draft(self, key: str) -> Draft:
        """A draft of the entry of `key`. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = self.folder / f"{PARTIAL}{uuid4().hex}"
        folder.mkdir(mode=0o700)
        lock = _locked(folder / LOCK, fcntl.LOCK_EX, make=True)
        assert lock is not None, "nobody else knows its name"
        return Draft(self, key, folder, lock)

    def make_room(self) -> None:
        """Remove the least recently used entries until the others fit, and what killed processes have left."""
        for path in self._folders():
            if path.name.startswith(PARTIAL):
                self._remove(path)
        room = self.room()
        for entry in self.entries():
            room -= entry.size_bytes
            if room < 0:
                self._remove(entry.folder)

    def clear(self) -> tuple[list[Entry], list[Entry]]:
        """Remove all entries; those that were removed, and those that stay as they are in use. Raises OSError."""
        removed: list[Entry] = []
        kept: list[Entry] = []
        for entry in self.entries():
            (removed if self._remove(entry.folder) else kept).append(entry)
        for path in self._folders():
            self._remove(path)
        return removed, kept

    def room(self) -> int:
        """Bytes that all entries may take together: the limit, and no more than half of what they leave of the disk.
        Raises OSError."""
        taken = sum(entry.size_bytes for entry in self.entries())
        return min(self.limit, (taken + shutil.disk_usage(self.folder).free) // 2)

    def _folders(self) -> list[Path]:
        try:
            return [path for path in self.folder.iterdir() if path.is_dir()]
        except FileNotFoundError:
            return []

    def _remove(self, folder: Path) -> bool:
        """Whether it is gone, as no process reads or writes it."""
        try:
            lock = _locked(folder / LOCK, fcntl.LOCK_EX)
            if lock is None:
                return False
        except FileNotFoundError:
            if not folder.is_dir():
                return True
            if time.time() - folder.stat().st_mtime < NEW_S:
                return False  # its lock is about to be made
            lock = None
        except OSError:
            return False
        # Under another name at once: who looks for it finds it whole or not at all.
        doomed = self.folder / f"{PARTIAL}{uuid4().hex}"
        try:
            folder.rename(doomed)
        except OSError:
            return False
        finally:
            if lock is not None:
                lock.close()
        shutil.rmtree(doomed, ignore_errors=True)
        return True


def _drop(folder: Path, lock: IO[bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()


def _entry_of(folder: Path) -> Entry | None:
    """None where it is gone, or nobody goes on making it."""
    try:
        size = sum(path.stat().st_size for path in folder.iterdir())
        if folder.name.startswith(PARTIAL):
            return Entry(folder, {}, size, time.time(), in_use=True) if _is_locked(folder) else None
        index = _index_of(folder)
        about = index["about"] if index is not None else {}
        return Entry(folder, about, size, (folder / USED).stat().st_mtime, _is_locked(folder))
    except OSError:
        return None


def _index_of(folder: Path) -> dict[str, Any] | None:
    """None where it is damaged, or that of another entry. Raises OSError where it cannot be read."""
    try:
        index = json.loads((folder / INDEX).read_bytes())
    except (ValueError, RecursionError):
        return None
    is_sound = (
        isinstance(index, dict)
        and index.get("key") == folder.name
        and isinstance(index.get("about"), dict)
        and isinstance(index.get("files"), dict)
        and all(Path(name).name == name for name in index["files"])
    )
    return index if is_sound else None


def _locked(path: Path, how: int, *, make: bool = False) -> IO[bytes] | None:
    """The file with a lock on it that holds until it is closed; None where another process has one against it."""
    stream = path.open("ab" if make else "rb")
    try:
        fcntl.flock(stream, how | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        return None
    except BaseException:
        stream.close()
        raise
    return stream


def _is_locked(folder: Path) -> bool:
    lock = _locked(folder / LOCK, fcntl.LOCK_EX)
    if lock is None:
        return True
    lock.close()
    return False
