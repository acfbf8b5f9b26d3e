"""Where compiled code is kept for the next run: a folder of the user's own that can be written"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from cockpit.disk import unwritable
from cockpit.paths import home


def usual_place() -> Path:
    """cockpit's folder in the XDG cache folder."""
    return platformdirs.user_cache_path("cockpit")


def compile_cache() -> Path:
    """The usual place, else one in cockpit's home, else a new temporary folder. What lies there is run as code: it is
    its owner's alone, whatever the umask is."""
    return next((path for path in _places() if _is_ours(path)), None) or Path(tempfile.mkdtemp(prefix="cockpit-"))


def _places() -> Iterator[Path]:
    yield usual_place()
    yield home() / "cache"


def _is_ours(path: Path) -> bool:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = path.stat()
        if status.st_uid != os.geteuid() or unwritable(path):
            return False
        if status.st_mode & 0o022:
            path.chmod(0o700)
    except OSError:
        return False
    return True
