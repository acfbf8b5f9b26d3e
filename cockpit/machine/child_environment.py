"""How a Python process of ours is started: it imports this very package, and nothing from its working folder"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def python_command(module: str, *arguments: str) -> list[str]:
    """The command line of `python -m module`. -P: a file in the working folder, such as datasets.py or msgspec.py in a
    run folder that somebody sent, takes no module's place."""
    return [sys.executable, "-P", "-m", module, *arguments]


def python_code(code: str) -> list[str]:
    """The command line of a Python that runs this, and takes no module from its working folder."""
    return [sys.executable, "-P", "-c", code]


def child_environment() -> dict[str, str]:
    """Ours, with the folder that holds the package before all others on PYTHONPATH.

    Entries there that are empty or relative mean the working folder and are left out. PYTHONSAFEPATH is -P for the
    processes that the child starts itself, such as torch's compile workers.
    """
    package_parent = str(Path(__file__).resolve().parents[2])
    named = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry.startswith("/")]
    return os.environ | {"PYTHONPATH": os.pathsep.join([package_parent, *named]), "PYTHONSAFEPATH": "1"}
