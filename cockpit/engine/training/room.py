"""Room on the disk: where it is full, old checkpoints make way for what matters more"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from cockpit.engine.errors import is_disk_full
from cockpit.runs.checkpoint import ARCHIVE, checkpoints


def making_room(write: Callable[[], None], folder: Path, what: str, keep: set[int], say: Callable[[str], None]) -> None:
    """Call `write`; where the disk is full, remove the oldest checkpoint of those in `folder`, say so, and try again.

    The newest one stays, and those after the steps in `keep`. Raises what `write` raises once there is none to remove.
    """
    while True:
        try:
            write()
            return
        except Exception as error:
            oldest = _oldest(folder, keep) if is_disk_full(error) else None
            if oldest is None:
                raise
        say(f"The disk is full: {oldest.name} was removed to save {what}.")
        shutil.rmtree(oldest)


def _oldest(folder: Path, keep: set[int]) -> Path | None:
    """Checkpoints that a later attempt has gone back behind come first, then the oldest."""
    archived = sorted(folder.glob(f"{ARCHIVE}*"), key=lambda path: (len(path.name), path.name))
    others = [one.path for one in checkpoints(folder)[1:] if one.step not in keep]
    return next(iter([*archived, *reversed(others)]), None)
