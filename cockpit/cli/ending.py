"""How a command ends that cannot do what was asked: a sentence on stderr, and a status"""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from cockpit.text.plain_text import plain_text, without_logins


def end(sentence: str, status: int) -> NoReturn:
    """Say why, and end with this status."""
    print(without_logins(plain_text(sentence)), file=sys.stderr)
    raise typer.Exit(status)


def refuse(sentences: list[str]) -> NoReturn:
    """Say what is wrong, a line each, and end with status 2."""
    end("\n".join(sentences), 2)
