"""What may be shown of a string that others wrote: no escape sequences, no control characters."""

from __future__ import annotations

import re
import unicodedata

_csi = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*"
_string = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*"  # OSC, DCS, SOS, PM, APC
_other = r"\x1b[ -/]*"
_escape = re.compile(rf"{_csi}(?:[@-~]|$)|{_string}(?:\x07|\x1b\\|\x9c|$|(?=\x1b))|{_other}[0-~]?")
_truncated = re.compile(rf"(?:{_csi}|{_string}\x1b?|{_other}|\r)$")
HELD_AT_MOST = 4096
"""Characters of an unfinished escape sequence that a stream waits for the end of."""

# One character of the scheme is enough: schemes of any length match, and no run of letters is tried twice.
_login = re.compile(r"""([a-z0-9+.-]://)[^/?#\s"'<>\\]*@""", re.IGNORECASE)
_bidi = {chr(c) for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)}


def plain_text(text: str) -> str:
    """`text` without escape sequences, control characters and direction overrides. Line feeds stay, and tabs as four
    spaces."""
    text = _escape.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    kept = []
    for char in text:
        if char == "\n":
            kept.append(char)
        elif char == "\t":
            kept.append("    ")
        elif char not in _bidi and unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp"):
            kept.append(char)
    return "".join(kept)


def plain_line(text: str) -> str:
    """`text` as plain_text gives it, on one line: runs of white space folded into one blank."""
    return " ".join(plain_text(text).split())


def without_logins(text: str) -> str:
    """`text` with the names and passwords taken out of the addresses in it: they are nobody else's to read."""
    return _login.sub(r"\1", text) if "://" in text else text


class PlainTextStream:
    """plain_text for text that comes in pieces: a sequence that is truncated between two pieces is still taken out."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """What may be shown of all fed so far and has not been shown yet."""
        text = self._held + piece
        truncated = _truncated.search(text)
        end = truncated.start() if truncated and len(text) - truncated.start() < HELD_AT_MOST else len(text)
        self._held = text[end:]
        return plain_text(text[:end])

    def end(self) -> str:
        """What was held back for the rest of a sequence that never came."""
        held, self._held = self._held, ""
        return plain_text(held)
