"""Names of columns and values of rows as sentences show them: short and plain"""

from __future__ import annotations

import json
from collections.abc import Iterable

from cockpit.text.plain_text import plain_line

MOST_NAMES = 12


def shown_name(name: object) -> str:
    """A name that others wrote, of at most 40 characters."""
    text = plain_line(str(name))
    return text if len(text) <= 40 else text[:39] + "…"


def joined(shown: list[str]) -> str:
    """What is shown already, with commas between, the first MOST_NAMES; `none` where there is nothing."""
    more = f" and {len(shown) - MOST_NAMES} more" if len(shown) > MOST_NAMES else ""
    return ", ".join(shown[:MOST_NAMES]) + more or "none"


def listed_names(names: Iterable[object]) -> str:
    """The names with commas between them, as `joined` has it."""
    return joined(list(map(shown_name, names)))


def shown_value(value: object) -> str:
    """A value as JSON has it, in brackets and after a blank; empty for what is too long to be read."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return ""
    return f" ({plain_line(text)})" if len(text) <= 40 else ""
