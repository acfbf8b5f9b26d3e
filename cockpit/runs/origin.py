"""Whether a run folder was made here; one that came from elsewhere is data, and its recipe runs no code"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.disk import open_regular, read_regular
from cockpit.paths import home
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument

MARKER = "made-here"
"""File in a run folder that holds the token of the COCKPIT_HOME that it was made in."""
LONGEST = 1 << 10
TRUST = "model.trust_remote_code"


def mark_as_made_here(folder: Path) -> None:
    """Trust the run in `folder` as one of our own. Raises OSError where it cannot be written."""
    (folder / MARKER).unlink(missing_ok=True)
    _write_new(folder / MARKER, _token())


def is_made_here(folder: Path) -> bool:
    """Whether the folder is ours, and was made by this user's cockpit or is trusted since."""
    try:
        if folder.stat().st_uid != os.geteuid():
            return False
        return secrets.compare_digest(read_regular(folder / MARKER, LONGEST, follow=False), _token())
    except OSError:
        return False


def recipe_of_run(folder: Path, file: str | None = None) -> RecipeDocument:
    """The recipe of the run in `folder`, which `file` names in errors. Where it was not made here, code that comes with
    its model is not run. Raises RecipeError."""
    from cockpit.recipe.document import RecipeDocument

    document = RecipeDocument.load(folder / "recipe.yaml", file)
    if _asks_for_trust(document) and not is_made_here(folder):
        document.set(TRUST, False)
    return document


def distrust(folder: Path) -> str:
    """What is off in a run from elsewhere, in a sentence; empty where nothing is. Raises RecipeError."""
    from cockpit.recipe.document import RecipeDocument

    if not _asks_for_trust(RecipeDocument.load(folder / "recipe.yaml")) or is_made_here(folder):
        return ""
    return (
        f"The run {plain_line(folder.name)} was made elsewhere and asks to run code that comes with its model: "
        "that is off; --trust-remote-code allows it."
    )


def _asks_for_trust(document: RecipeDocument) -> bool:
    """Also where the recipe is not valid yet, as it may be mended in an editor."""
    return document.value(TRUST) not in (None, False)


def _token() -> bytes:
    place = home() / "token"
    try:
        return read_regular(place, LONGEST)
    except FileNotFoundError:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        _write_new(place, secrets.token_hex(16).encode())
    except FileExistsError:
        pass  # another process was first
    return read_regular(place, LONGEST)


def _write_new(path: Path, content: bytes) -> None:
    descriptor = open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, follow=False)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
