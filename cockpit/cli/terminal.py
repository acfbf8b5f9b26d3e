"""Whether this terminal can be drawn on, and lines of progress on one that can"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

from cockpit.text.plain_text import plain_text


def is_drawable() -> bool:
    """Whether stdout is a terminal that takes escape sequences; TERM says so."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


class ProgressLines:
    """Lines that stay, and below them, on a terminal, one that is drawn over."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_live = is_drawable() and out.isatty()

    def say(self, line: str) -> None:
        """Print a line in the place of what is drawn."""
        self.draw("")
        print(plain_text(line).rstrip(), file=self._out, flush=True)

    def draw(self, text: str) -> None:
        """Draw this for now, as far as it fits."""
        if self._is_live:
            width = shutil.get_terminal_size().columns - 1
            self._out.write("\r\x1b[K" + plain_text(text)[:width])
            self._out.flush()
