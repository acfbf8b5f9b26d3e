"""Where Python keeps what it has compiled of the stack's modules, on machines where it would keep nothing"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from cockpit.disk import unwritable
from cockpit.machine.compile_cache import compile_cache


def bytecode_environment() -> dict[str, str]:
    """What has a new Python process keep its bytecode in the cache folder; nothing where it is kept beside the modules.

    Containers often tell Python to write none, or their packages are read-only: then each engine would compile all of
    the stack again, which is half of the time that it imports. The folder takes about 130 MiB.
    """
    if sys.pycache_prefix is not None or not (sys.dont_write_bytecode or _is_read_only("transformers")):
        return {}
    return {"PYTHONPYCACHEPREFIX": str(compile_cache() / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}


def _is_read_only(package: str) -> bool:
    """Whether nothing can be written beside the package's modules, and nothing was."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return False
    folder = Path(spec.origin).parent
    return not (folder / "__pycache__").is_dir() and bool(unwritable(folder)) and os.access(folder, os.R_OK)
