"""The environment of a child process that imports this very package, wherever it was started"""

from __future__ import annotations

import os
from pathlib import Path


def child_environment() -> dict[str, str]:
    """Ours, with the folder that holds the package before all others on PYTHONPATH."""
    package_parent = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path}
