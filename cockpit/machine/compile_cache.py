"""Where compiled code and tokenized rows are kept for the next run: a folder of the user's own that can be written"""

from __future__ import annotations

import functools
import os
import stat
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
    """The usual place, else one in cockpit's home, else one of this user's among the temporary files, else a new one
    there for as long as this process lives. What lies there is run as code: it is its owner's alone, whatever the umask
    is."""
    return next((path for path in _places() if _is_ours(path)), None) or temporary_folder()


def rows_cache_folder() -> Path:
    """Tokenized rows; it need not be there yet."""
    return compile_cache() / "rows"


def _places() -> Iterator[Path]:
    yield usual_place()
    yield home() / "cache"
    yield Path(tempfile.gettempdir()) / f"cockpit-{os.geteuid()}"


@functools.cache
def temporary_folder() -> Path:
    """Where somebody else has taken the name of ours."""
    return Path(tempfile.mkdtemp(prefix="cockpit-"))


def _is_ours(path: Path) -> bool:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.is_symlink() and path.parent.stat().st_mode & stat.S_ISVTX:
            return False  # where all may write, a link may be anybody's
        status = path.stat()
        if status.st_uid != os.geteuid() or unwritable(path):
            return False
        if status.st_mode & 0o022:
            path.chmod(0o700)
    except OSError:
        return False
    return True
