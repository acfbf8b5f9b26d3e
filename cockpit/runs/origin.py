"""Whether a run folder was made here; one that came from elsewhere is data, and its recipe runs no code"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.disk import open_regular, read_regular, write_atomically
from cockpit.paths import home
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument

MARKER = "made-here"
"""File in a run folder that says which model its recipe had when cockpit itself wrote it: an HMAC-SHA256 of the
recipe's `model` section, and of the code that it names besides, by the token of the COCKPIT_HOME. A folder's name is no
part of it, as folders are moved."""
LONGEST = 1 << 10
TRUST, FUNCTION, SUITE = "model.trust_remote_code", "evaluation.function", "evaluation.suite"
REWARDS = "grpo.rewards"
_token_form = re.compile(rb"[0-9a-f]{64}")


def mark_as_made_here(folder: Path) -> None:
    """Trust the run in `folder`, with the model that its recipe has, as one of our own. Raises RecipeError, and OSError
    where it cannot be written."""
    from cockpit.recipe.document import RecipeDocument

    marker = _marker(RecipeDocument.load(folder / "recipe.yaml"))
    write_atomically(folder / MARKER, marker, durable=False, mode=0o600)


def is_own(folder: Path) -> bool:
    """Whether the folder is this user's. Raises OSError."""
    return folder.stat().st_uid == os.geteuid()


def is_made_here(folder: Path) -> bool:
    """Whether the run in `folder` is one of our own, or was trusted since. Raises RecipeError."""
    from cockpit.recipe.document import RecipeDocument

    return _is_made_here(folder, RecipeDocument.load(folder / "recipe.yaml"))


def _is_made_here(folder: Path, document: RecipeDocument) -> bool:
    """Whether the folder is ours, and `document`, its recipe, has the model that this user's cockpit wrote or that was
    trusted since. A model, or code besides, that was changed by hand is like one from elsewhere; all else may be
    changed."""
    try:
        return is_own(folder) and hmac.compare_digest(
            read_regular(folder / MARKER, LONGEST, follow=False), _marker(document)
        )
    except OSError:
        return False


def recipe_of_run(folder: Path, file: str | None = None) -> RecipeDocument:
    """The recipe of the run in `folder`, which `file` names in errors. Where it was not made here, code that comes with
    its model is not run, nor such as its evaluation or its rewards name; without these it may be no recipe to train by,
    which the preflight tells. Raises RecipeError."""
    from cockpit.recipe.document import RecipeDocument

    document = RecipeDocument.load(folder / "recipe.yaml", file)
    asked = _asked_for(document)
    if asked and not _is_made_here(folder, document):
        for name, off in asked.items():
            document.take_out(name, off)
    return document


def distrust(folder: Path) -> str:
    """What is off in a run from elsewhere, in a sentence; empty where nothing is. Raises RecipeError."""
    from cockpit.recipe.document import RecipeDocument

    document = RecipeDocument.load(folder / "recipe.yaml")
    asked = _asked_for(document)
    if not asked or _is_made_here(folder, document):
        return ""
    changed, code = "its model was", "that comes with its model"
    if TRUST not in asked:
        changed, code = "it was", f"of its author ({', '.join(asked)})"
    return (
        f"The run {plain_line(folder.name)} was made elsewhere, or {changed} changed by hand, and asks to run code "
        f"{code}: that is off; --trust-remote-code allows it."
    )


def _asked_for(document: RecipeDocument) -> dict[str, object]:
    """The fields by which a run asks to run code, each with what switches that off; also where the recipe is not valid
    yet, as it may be mended in an editor."""
    found: dict[str, object] = {}
    if document.value(TRUST) not in (None, False):
        found[TRUST] = False
    if document.value(FUNCTION) is not None:
        found[FUNCTION] = None
    if _code_of_rewards(document):
        rewards = document.value(REWARDS)
        found[REWARDS] = [one for one in rewards if not (isinstance(one, Mapping) and one.get("function"))]
    if document.value(SUITE) not in (None, False) and _code_of_suite(document):
        found[SUITE] = False
    return found


def _code_of_suite(document: RecipeDocument) -> list[object]:
    """Functions and judges that the suite names, of a recipe that need not be valid."""
    suite = document.value("suite")
    found = []
    for half in ("learned", "kept"):
        prompts = suite.get(half) if isinstance(suite, Mapping) else None
        for prompt in prompts if isinstance(prompts, list) else []:
            checks = prompt.get("checks") if isinstance(prompt, Mapping) else None
            if isinstance(checks, Mapping):
                found += [checks[name] for name in ("function", "judge") if checks.get(name)]
    return found


def _code_of_rewards(document: RecipeDocument) -> list[object]:
    """Functions that rewards name, of a recipe that need not be valid."""
    rewards = document.value(REWARDS)
    known = [one for one in rewards if isinstance(one, Mapping)] if isinstance(rewards, list) else []
    return [one["function"] for one in known if one.get("function")]


def _marker(document: RecipeDocument) -> bytes:
    model = json.dumps(document.value("model"), sort_keys=True, default=str)
    code = [*filter(None, [document.value(FUNCTION)]), *_code_of_suite(document), *_code_of_rewards(document)]
    model += json.dumps(code, sort_keys=True, default=str) if code else ""
    return hmac.new(_token(), model.encode(), "sha256").hexdigest().encode()


def _token() -> bytes:
    """The secret of this home, made where there is none; one that is truncated or of another form is replaced."""
    place = home() / "token"
    if found := _token_in(place):
        return found
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = open_regular(place.with_name("token.lock"), os.O_WRONLY | os.O_CREAT, follow=False)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes that find none, all use the one that the first makes
        if found := _token_in(place):
            return found
        made = secrets.token_hex(32).encode()
        write_atomically(place, made, mode=0o600)
        return made
    finally:
        os.close(lock)


def _token_in(place: Path) -> bytes | None:
    with suppress(FileNotFoundError):
        content = read_regular(place, LONGEST)
        if _token_form.fullmatch(content):
            return content
    return None
