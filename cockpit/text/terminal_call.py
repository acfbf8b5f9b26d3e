"""The bytes that ask a terminal to call whoever sits before it"""

from __future__ import annotations

from cockpit.text.plain_text import plain_line

LONGEST = 200


def terminal_call(title: str, body: str) -> str:
    """A bell, and a notification as OSC 9 (iTerm2, kitty, WezTerm, Windows Terminal) and OSC 777 (urxvt, foot,
    Ghostty); a terminal that knows neither ignores them. Nothing in the texts reaches it as an escape sequence."""
    title, body = (plain_line(text).replace(";", ",")[:LONGEST] for text in (title, body))
    return f"\a\x1b]9;{title}: {body}\x1b\\\x1b]777;notify;{title};{body}\x1b\\"
