"""What becomes of each setting of a file that is imported: a field of the recipe, a comment, or not carried over"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal

from cockpit.importing.convert import as_field
from cockpit.importing.settings import Setting
from cockpit.recipe.field_path import FieldPath, dotted, parts
from cockpit.recipe.problem import Problem, RecipeError
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schema import find_place
from cockpit.recipe.validation import Fault, validate

Fate = Literal["field", "comment", "lost"]
MOST_ROUNDS = 100
UNMEASURED = ("training.eval_steps",)
"""Fields that mean nothing without held-out rows."""


@dataclass
class Outcome:
    """What has become of a setting, and why where it is no field. `fields`: the dotted paths that it has set."""

    setting: Setting
    fate: Fate
    why: str = ""
    fields: list[str] = field(default_factory=list)


class Ledger:
    """The recipe that is being made, and what has become of each setting so far."""

    def __init__(self, file: str, tool: str) -> None:
        self.file = file
        self.tool = tool
        """Whose file it is, as a person calls it."""
        self.values: dict[str, Any] = {}
        self.defaults: dict[str, Any] = {}
        """Fields that the file leaves out and that the tool has otherwise than a recipe has, dotted."""
        self.undone: dict[str, tuple[Any, str]] = {}
        """Those of them that cannot stand with the rest, with the tool's value and why."""
        self._outcomes: dict[str, Outcome] = {}

    @property
    def outcomes(self) -> list[Outcome]:
        """In the order in which they were told."""
        return list(self._outcomes.values())

    def of(self, fate: Fate) -> list[Outcome]:
        """The settings that it became of."""
        return [one for one in self._outcomes.values() if one.fate == fate]

    def put(self, setting: Setting, path: str, value: Any = None) -> bool:
        """Set the field to the setting's value, or to the `value` given. Whether the field can take it: where it
        cannot, the setting is not carried over."""
        place = find_place(parts(path))
        if place is None:
            self.lose(setting, f"cockpit has no {path}")
            return False
        found, why = as_field(place.type, setting.value if value is None else value)
        if why:
            self.lose(setting, why)
            return False
        self._set(parts(path), found)
        self.defaults.pop(path, None)
        outcome = self._outcomes.setdefault(setting.name, Outcome(setting, "field"))
        if outcome.fate == "comment":
            outcome.fate, outcome.why = "field", ""
        outcome.fields.append(path)
        return True

    def note(self, setting: Setting, why: str) -> None:
        """Keep the setting as a comment: nothing that is learnt depends on it, or it is so here anyway."""
        self._outcomes.setdefault(setting.name, Outcome(setting, "comment", why))

    def lose(self, setting: Setting, why: str) -> None:
        """Name the setting as not carried over."""
        outcome = self._outcomes.setdefault(setting.name, Outcome(setting, "lost", why))
        outcome.fate, outcome.why = "lost", why

    def default(self, fields: Mapping[str, Any]) -> None:
        """What the tool does where the file says nothing; fields that are set already stay."""
        for path, value in fields.items():
            if self.value(path) is None:
                self._set(parts(path), value)
                self.defaults[path] = value

    def value(self, path: str) -> Any:
        """What the field has been set to; None where it has not."""
        here: Any = self.values
        for part in parts(path):
            try:
                here = here[part]
            except (KeyError, IndexError, TypeError):
                return None
        return here

    def settle(self) -> Recipe:
        """The checked recipe. Settings whose fields cannot stand together are taken back, and named as not carried
        over. Raises RecipeError where what is left is no recipe."""
        for _ in range(MOST_ROUNDS):
            recipe, faults = validate(self.values)
            if recipe is not None:
                return recipe
            if not any(self._take_back(fault) for fault in faults):
                break
        raise RecipeError(Problem(self.file, None, dotted(fault.path), fault.wrong, fault.right) for fault in faults)

    def _take_back(self, fault: Fault) -> bool:
        """Take the field that is at fault out of the recipe, or the one that it is a part of; whether there is one. A
        section goes for nothing that the file leaves out of it."""
        for path in _upwards(fault.path):
            if (path == fault.path or self._is_set(dotted(path))) and self._pop(path):
                break
        else:
            return False
        gone = dotted(path)
        for name in [one for one in self.defaults if _is_within(one, gone)]:
            self.undone[name] = self.defaults.pop(name), f"{fault.wrong}; {fault.right}"
        for outcome in self._outcomes.values():
            left = [one for one in outcome.fields if not _is_within(one, gone)]
            if left == outcome.fields:
                continue
            outcome.fields = left
            if not left:
                outcome.fate, outcome.why = "lost", f"{dotted(fault.path)}: {fault.wrong}; {fault.right}"
                if gone in UNMEASURED and "no rows are held out" in fault.wrong:
                    outcome.fate, outcome.why = "comment", "no rows are held out to measure, there as here"
        return True

    def _is_set(self, name: str) -> bool:
        """Whether the field has a value of its own, from a setting or by the tool."""
        return name in self.defaults or any(name in outcome.fields for outcome in self._outcomes.values())

    def _set(self, path: FieldPath, value: Any) -> None:
        here: Any = self.values
        for at, part in enumerate(path[:-1]):
            following: Any = [] if isinstance(path[at + 1], int) else {}
            if isinstance(here, dict):
                here = here.setdefault(str(part), following)
                continue
            assert isinstance(part, int)
            while len(here) <= part:
                here.append(deepcopy(following))
            here = here[part]
        here[path[-1]] = value

    def _pop(self, path: FieldPath) -> bool:
        here: Any = self.values
        for part in path[:-1]:
            try:
                here = here[part]
            except (KeyError, IndexError, TypeError):
                return False
        if isinstance(here, dict) and path[-1] in here:
            del here[path[-1]]
            return True
        return False


def _upwards(path: FieldPath) -> Iterator[FieldPath]:
    """The path, and those of all that it is in, the nearest first."""
    return (path[:length] for length in range(len(path), 0, -1))


def _is_within(name: str, section: str) -> bool:
    """Whether the dotted name is the section's, or that of a field in it."""
    return name == section or name.startswith(f"{section}.")
