"""Where things lie on this disk: runs, recipes, and what cockpit ships (embedded:demo, embedded:pirate ...)"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

PREFIX = "embedded:"
_demo = Path(__file__).resolve().parent / "demo"
_places = {
    "embedded:demo": _demo / "model",
    "embedded:pirate": _demo / "pirate.jsonl",
    "embedded:preferences": _demo / "preferences.jsonl",
    "embedded:sums": _demo / "sums.jsonl",
}


def resolve(name_or_path: str) -> str:
    """The path behind an embedded name; any other name or path as it is. Raises ValueError with a sentence."""
    if not name_or_path.startswith(PREFIX):
        return name_or_path
    if name_or_path not in _places:
        *most, last = _places
        raise ValueError(f"cockpit ships no {name_or_path}; it ships {', '.join(most)} and {last}")
    return str(_places[name_or_path])


def embedded_models() -> tuple[str, ...]:
    """Embedded names that are models."""
    return ("embedded:demo",)


def embedded_data() -> tuple[str, ...]:
    """Embedded names that are data files."""
    return ("embedded:pirate", "embedded:preferences", "embedded:sums")


def expanded(path: str | Path) -> Path:
    """The path with its ~ made a home folder; as it stands where nobody knows that home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def kind_of(path: Path) -> Literal["file", "folder", "nothing"]:
    """What is at the path; nothing too where it cannot be one, as a name of more than 255 bytes."""
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else "nothing"
    except (OSError, ValueError):
        return "nothing"


def local_path(name_or_path: str) -> Path | None:
    """The absolute path behind a name where it is something on this disk, else None (a Hub name, an embedded name)."""
    if name_or_path.startswith(PREFIX):
        return None
    try:
        path = expanded(name_or_path)
        there = path.exists()
    except (OSError, ValueError):
        return None
    return path.absolute() if there or name_or_path.startswith(("/", "./", "../", "~")) else None


def located(name_or_path: str) -> Path | None:
    """The absolute path behind an embedded name or a path, which need not be there; None for a name of the Hub.

    Raises ValueError with a sentence for an embedded name that cockpit does not ship.
    """
    return local_path(resolve(name_or_path))


def shipped_recipes_folder() -> Path:
    """recipes/ of a checkout, or the copy inside the installed package."""
    package = Path(__file__).resolve().parent
    installed = package / "recipes_shipped"
    return installed if installed.is_dir() else package.parent / "recipes"


def user_recipes_folder() -> Path:
    """The user's own: cockpit/recipes in the XDG config folder. It may not exist yet."""
    import platformdirs

    return platformdirs.user_config_path("cockpit") / "recipes"


def home() -> Path:
    """`$COCKPIT_HOME`, or cockpit's folder in the XDG data folder."""
    named = os.environ.get("COCKPIT_HOME")
    if named:
        return expanded(named)
    import platformdirs  # takes longer than all else here

    return platformdirs.user_data_path("cockpit")


def runs_folder() -> Path:
    """Where all runs lie."""
    return home() / "runs"


def standby_folder() -> Path:
    """Where engines wait that have no run yet."""
    return home() / "standby"


def probes_folder() -> Path:
    """Where engines train that only measure; nothing stays there."""
    return home() / "probes"
