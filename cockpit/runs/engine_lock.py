"""engine.lock: held by whoever starts an engine, then by the engine, so that a run has one; who it is, whether any"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from cockpit.disk import open_regular, read_regular
from cockpit.protocol.values import UNREADABLE, Moment, Pid
from cockpit.runs.lock_state import LOCK
from cockpit.text.plain_text import plain_line

TRIES, TRY_EVERY_S = 20, 0.01
"""A reader that asks whether the lock is held has it for a moment itself."""
NEW_FOR_S = 10.0
"""A lock is written when it is taken, and when it is handed to the engine."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the lock file, for those who do not get it. `since` is Unix time in seconds."""

    host: str
    pid: Pid
    since: Moment


class RunTaken(BlockingIOError):
    """Another engine has the run's folder; the text is a sentence that says who."""


def take_lock(folder: Path, *, force: bool = False) -> int:
    """A descriptor that keeps other engines out of `folder` for as long as it, or a child's copy of it, is open.

    With `force`, for a run whose engine is silent, a lock that is held is replaced: its holder finds another named in
    engine.json, and ends. One that was taken within NEW_FOR_S is that of another starter, and stays. Raises RunTaken,
    or another OSError where the folder cannot be written.
    """
    path = folder / LOCK
    for _ in range(TRIES):
        lock = open_regular(path, os.O_RDWR | os.O_CREAT, follow=False)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(lock, path):
                name_holder(lock, os.getpid())
                return lock
        except BlockingIOError:
            if force:
                _remove_old(lock, path)
        except OSError:
            os.close(lock)
            raise
        os.close(lock)
        time.sleep(TRY_EVERY_S)
    raise RunTaken(who_has(folder))


def name_holder(lock: int, pid: int) -> None:
    """Write into the lock file that process `pid` has it from now on. Raises OSError."""
    content = msgspec.json.encode(Holder(host=os.uname().nodename, pid=pid, since=time.time()))
    os.ftruncate(lock, 0)
    os.pwrite(lock, content, 0)


def _remove_old(lock: int, path: Path) -> None:
    """Remove the lock file that another holds, where no starter has just taken it, or put its own in its place."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # not every disk locks folders
            fcntl.flock(folder, fcntl.LOCK_EX)  # one starter at a time looks and removes
        if _is_at(lock, path) and abs(time.time() - os.fstat(lock).st_mtime) > NEW_FOR_S:
            path.unlink(missing_ok=True)
    finally:
        os.close(folder)


def _is_at(lock: int, path: Path) -> bool:
    """Whether the file that is locked still stands at `path`."""
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False


def who_has(folder: Path) -> str:
    """A sentence for those who do not get the run in `folder`: who holds its lock, or did last."""
    who = "another process"
    try:
        holder = msgspec.json.decode(read_regular(folder / LOCK, 4096), type=Holder)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
        who = f"process {holder.pid} on {plain_line(holder.host)}, since {since}"
    except (OSError, ValueError, OverflowError, *UNREADABLE):
        pass  # it has not said so yet
    return f"The run {plain_line(folder.name)} has an engine already: {who}. It must end first."
