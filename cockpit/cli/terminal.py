"""Whether this terminal can be drawn on"""

from __future__ import annotations

import os
import sys


def is_drawable() -> bool:
    """Whether stdout is a terminal that takes escape sequences; TERM says so."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
