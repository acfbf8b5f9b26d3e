"""stdout and stderr of a process whose output is kept in a file: logins are taken out of what it writes"""

from __future__ import annotations

import io
import sys

from cockpit.text.plain_text import without_logins


class WithoutLogins(io.TextIOWrapper):
    """A text file that writes at once, and leaves out the names and passwords in addresses."""

    def write(self, text: str, /) -> int:
        """Write; the number of characters given."""
        super().write(without_logins(text))
        return len(text)


def hide_logins() -> None:
    """Let all that this process prints, warnings and tracebacks included, be without logins from now on."""
    sys.stdout = WithoutLogins(sys.stdout.buffer, encoding="utf-8", errors="backslashreplace", write_through=True)
    sys.stderr = WithoutLogins(sys.stderr.buffer, encoding="utf-8", errors="backslashreplace", write_through=True)
