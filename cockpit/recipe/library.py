"""Where recipes stand: those that cockpit ships, and the user's own. A recipe is read when it is asked for."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cockpit.paths import expanded, kind_of, shipped_recipes_folder, user_recipes_folder
from cockpit.recipe.problem import Problem, RecipeError
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument

Origin = Literal["shipped", "yours"]
ENDINGS = (".yaml", ".yml")
FIRST = "demo"


@dataclass(frozen=True)
class LibraryEntry:
    """A recipe in the list. Its file is read the first time that `document` or `problems` is asked for."""

    name: str
    """The file's name without its ending, fit to be shown."""
    path: Path
    origin: Origin

    @property
    def is_read(self) -> bool:
        """Whether its file has been read; asking for more costs no time then."""
        return "_read" in vars(self)

    @functools.cached_property
    def document(self) -> RecipeDocument | None:
        """The recipe, sound or not; None where the file is no YAML."""
        return self._read[0]

    @functools.cached_property
    def problems(self) -> list[Problem]:
        """All that is wrong with it; empty for a sound recipe."""
        document, problems = self._read
        return problems if document is None else document.problems()

    @functools.cached_property
    def _read(self) -> tuple[RecipeDocument | None, list[Problem]]:
        from cockpit.recipe.document import RecipeDocument

        try:
            return RecipeDocument.load(self.path), []
        except RecipeError as error:
            return None, error.problems


def library() -> list[LibraryEntry]:
    """Every recipe: the user's, the demo, the other shipped ones; by name. Reads no file."""
    found = _entries(user_recipes_folder(), "yours") + _entries(shipped_recipes_folder(), "shipped")
    return sorted(found, key=lambda entry: (entry.origin != "yours", entry.name != FIRST, entry.name))


def find_recipe(name_or_path: str) -> RecipeDocument:
    """The recipe of that name (the user's own goes before a shipped one), or in that file.

    Raises RecipeError where there is none or where it is no YAML; whether it is sound is for `recipe()` to say.
    """
    from cockpit.recipe.document import RecipeDocument

    entries = library()
    named = [entry for entry in entries if name_or_path in (entry.name, entry.path.stem)]
    if named:
        return RecipeDocument.load(named[0].path)
    path = expanded(name_or_path)
    if path.suffix in ENDINGS or "/" in name_or_path or kind_of(path) == "file":
        return RecipeDocument.load(path)
    close = get_close_matches(name_or_path, [entry.name for entry in entries], n=1)
    hint = f"did you mean {close[0]}?" if close else "'cockpit recipes' lists all recipes"
    shown = plain_line(name_or_path)
    raise RecipeError([Problem(shown, None, "", "there is no recipe of this name", hint)])


def recipe_files(folder: Path) -> list[Path]:
    """All recipe files below the folder, sorted; hidden ones left out."""
    found = (path for ending in ENDINGS for path in folder.rglob(f"*{ending}"))
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _entries(folder: Path, origin: Origin) -> list[LibraryEntry]:
    try:
        files = recipe_files(folder)
    except OSError:
        return []
    return [LibraryEntry(plain_line(path.stem), path, origin) for path in files]
