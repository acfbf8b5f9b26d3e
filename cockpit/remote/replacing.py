"""A run that is pulled again: whether it may be replaced, and what was made of it here meanwhile"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cockpit.remote.pulled import FOLDERS, PULLED, FilesOf, Pulled
from cockpit.runs.checksums import sha256
from cockpit.runs.folder import RunDir
from cockpit.runs.lock_state import LOCK, lock_state
from cockpit.runs.origin import MARKER
from cockpit.text.plain_text import plain_line

EXPORT_LOCK = "export.lock"
OF_THE_MOMENT = (PULLED, MARKER, LOCK, EXPORT_LOCK, "engine.json", "heartbeat", "lease")
"""Files that say something of that folder alone; trust is given anew."""


def why_not_replaceable(run: RunDir, address: str) -> str:
    """Why a pull from `address` must not take the place of this run, in a sentence; empty where it may."""
    name, before = plain_line(run.id), Pulled.of(run)
    if before is None or not before.files:
        return f"A run {name} is here already, and not by a pull; it was left as it is."
    if before.to != address:
        return f"A run {name} is here already, pulled from {plain_line(before.to)}; it was left as it is."
    if run.liveness() in ("alive", "silent") or lock_state(run.path) == "held":
        return f"An engine has the run {name} here; stop it, or leave its chat (cockpit send {name} unload)."
    if lock_state(run.path, EXPORT_LOCK) == "held":
        return f"The run {name} is being exported here; pull again once that has ended."
    return ""


@dataclass(frozen=True)
class MadeHere:
    """What was made of a pulled run since: files that were added or changed."""

    run: RunDir
    names: tuple[str, ...]

    @classmethod
    def of(cls, run: RunDir) -> MadeHere:
        """Reads every byte of the run. Raises OSError."""
        before = Pulled.of(run)
        files = before.files if before is not None else {}
        found = []
        for path in sorted(run.path.rglob("*")):
            name = str(path.relative_to(run.path))
            if name in OF_THE_MOMENT or name.startswith("commands/") or not (path.is_symlink() or path.is_file()):
                continue
            if path.is_symlink() or not _is(path, files.get(name)):
                found.append(name)
        return cls(run, tuple(found))

    def fits(self, files: FilesOf) -> bool:
        """Whether all of it can go with `files`, those of the run that comes: none of them is the result's or a
        checkpoint's, or has changed at the host too."""
        before = Pulled.of(self.run)
        known = before.files if before is not None else {}
        return all(name.split("/")[0] not in FOLDERS and files.get(name) == known.get(name) for name in self.names)

    def put_into(self, folder: Path) -> None:
        """Put it into the run that comes, as links to the same bytes where the disk can do that. Raises OSError."""
        for name in self.names:
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            try:
                os.link(self.run.path / name, place, follow_symlinks=False)
            except OSError:
                shutil.copy2(self.run.path / name, place, follow_symlinks=False)


def _is(path: Path, known: tuple[int, str] | None) -> bool:
    """Whether a file has this size and digest. Raises OSError."""
    return known is not None and path.stat().st_size == known[0] and sha256(path) == known[1]


def put_in_place(partial: Path, run: RunDir, files: FilesOf) -> RunDir | None:
    """Rename `partial`, which is whole, to `run`, in place of one that was pulled before. What was made of that one
    here goes with it; where that does not fit, the one before is kept as a run of its own, which is returned. Nothing
    is removed before the new one is in its place. Raises OSError."""
    if not run.path.exists():
        partial.rename(run.path)
        return None
    made = MadeHere.of(run)
    if is_kept := not made.fits(files):
        aside = _free_name(run)
    else:
        made.put_into(partial)
        aside = _aside(run)
        shutil.rmtree(aside, ignore_errors=True)
    run.path.rename(aside)
    try:
        partial.rename(run.path)
    except OSError:
        aside.rename(run.path)
        raise
    if is_kept:
        return RunDir(aside)
    with suppress(OSError):
        shutil.rmtree(aside)
    return None


def put_back(run: RunDir) -> None:
    """Where a process was killed while it put another in the place of this run: put it back. Raises OSError."""
    if _aside(run).is_dir() and not run.path.exists():
        _aside(run).rename(run.path)


def _aside(run: RunDir) -> Path:
    return run.path.with_name(f".before-{run.id}")


def _free_name(run: RunDir) -> Path:
    count = 1
    while (place := run.path.with_name(f"{run.id}-here{f'-{count}' if count > 1 else ''}")).exists():
        count += 1
    return place
