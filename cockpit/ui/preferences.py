"""What the app remembers of its user between two launches: the theme."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from cockpit.disk import write_atomically


def preferences_file() -> Path:
    """`ui.json` in cockpit's folder of the XDG config folder, where the user's recipes are too."""
    import platformdirs

    return platformdirs.user_config_path("cockpit") / "ui.json"


def remembered_theme() -> str | None:
    """The theme's name, or None where nothing (readable) is remembered."""
    try:
        content = json.loads(preferences_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    theme = content.get("theme") if isinstance(content, dict) else None
    return theme if isinstance(theme, str) else None


def remember_theme(name: str) -> None:
    """Write the theme's name down. A config folder that cannot be written is no reason to stop."""
    path = preferences_file()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, json.dumps({"theme": name}) + "\n", durable=False)
