"""A recipe as a file that a person edits: values, line numbers, changes; comments and order survive load and save."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from cockpit.disk import write_atomically
from cockpit.paths import user_recipes_folder
from cockpit.recipe import yaml_source
from cockpit.recipe.field_path import FieldPath, as_listed, dotted, parts
from cockpit.recipe.local_paths import local_paths
from cockpit.recipe.methods.registry import METHODS
from cockpit.recipe.problem import Problem, RecipeError
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.renamed import renamed_setting, with_new_names
from cockpit.recipe.schema import FieldPlace, all_places, find_place, json_schema, section_fields
from cockpit.recipe.setting import setting_value
from cockpit.recipe.validation import Fault, unknown_field, validate
from cockpit.recipe.yaml_edit import with_value
from cockpit.recipe.yaml_source import YamlSource
from cockpit.recipe.yaml_text import block_lines
from cockpit.text.plain_text import plain_line

SCHEMA_FILE = "recipe.schema.json"


class RecipeDocument:
    """A recipe's text and what was changed of it since. A field is a dotted path: `lora.r`, `data.sources.0.split`."""

    def __init__(self, source: YamlSource, path: Path | None) -> None:
        self.path = path
        """Where it was loaded from or saved to last; None for text."""
        self._source = source
        self._values: dict[str, Any] = deepcopy(source.values)
        self._changes: dict[FieldPath, Any] = {}
        self._checked: tuple[Recipe | None, list[Fault]] | None = None
        self._not_asked: set[str] = set()

    @classmethod
    def load(cls, path: Path, file: str | None = None) -> Self:
        """Read a file; `file` is what errors call it, the path unless given. Raises RecipeError where it is no YAML."""
        file = file or shown_path(path)
        return cls(with_new_names(yaml_source.parse(yaml_source.read_text(path, file), file)), path)

    @classmethod
    def parse(cls, text: str, file: str) -> Self:
        """Read text; `file` is what errors call it. Raises RecipeError where it is no YAML."""
        return cls(with_new_names(yaml_source.parse(text, file)), None)

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return (self.path or Path(self._source.file)).stem

    @property
    def file(self) -> str:
        """What errors call it."""
        return self._source.file

    def recipe(self) -> Recipe:
        """The checked recipe. Raises RecipeError with everything that is wrong."""
        recipe, _ = self._check()
        if recipe is None:
            raise RecipeError(self.problems())
        return recipe

    def problems(self) -> list[Problem]:
        """Everything that is wrong, by line; empty for a sound recipe."""
        found = [self._problem(fault) for fault in self._check()[1]]
        return sorted(found, key=lambda problem: (problem.line is None, problem.line or 0))

    def line(self, field: str) -> int | None:
        """The line of the field in the file, or of the section it would stand in; None where it was changed since."""
        path = parts(field)
        changed = any(path[: len(one)] == one for one in self._changes)
        return None if changed else self._source.line(path)

    def value(self, field: str) -> Any:
        """What the field holds now, its default where the file leaves it out, None where it must be given and is not.

        Sections come as plain dicts. Raises KeyError for a field that the model does not have.
        """
        place = find_place(parts(field))
        if place is None:
            raise KeyError(field)
        return _read(self._values, place)

    def set(self, field: str, value: object) -> None:
        """Change a field. Raises RecipeError, and changes nothing, where the field cannot take the value.

        Whether it goes with the other fields is told by `problems`.
        """
        self._put(parts(field), value, self._source.file)

    def take_out(self, field: str, value: object) -> None:
        """As `set`, for a field that the rest of the recipe may need: that it does not go with that is not told."""
        self.set(field, value)
        self._not_asked.add(field)
        self._checked = None

    def set_from_text(self, setting: str) -> None:
        """Change a field from `lora.r=32`; lists as `a, b` or in YAML. Raises RecipeError that names `--set`."""
        name, equals, text = renamed_setting(setting).partition("=")
        path = parts(name.strip())
        place = find_place(path) if equals else None
        if not equals:
            raise RecipeError([Problem("--set", None, setting, "this sets nothing", "write it as lora.r=32")])
        if place is None:
            fault = unknown_field(path)
            raise RecipeError([Problem("--set", None, dotted(path), fault.wrong, fault.right)])
        self._put(path, setting_value(place, text), "--set")

    def use_data(self, path: str | Path) -> None:
        """Learn from the user's own file: it becomes the only source, its form found from its columns.

        What the recipe asks about images without a question of their own, it asks about the user's too.
        """
        source = {"name_or_path": str(path), "format": "auto"}
        if (instruction := self.value("data.sources.0.instruction")) is not None:
            source["instruction"] = instruction
        self._put(("data", "sources"), [source], "--data")

    def use_model(self, path: str | Path) -> None:
        """Tune another model: a local folder or a name on the Hub."""
        self._put(("model", "name_or_path"), str(path), "--model")
        if self.value("model.revision") is not None:
            self._put(("model", "revision"), None, "--model")

    def reset(self, field: str) -> None:
        """Take the changes of the field, and of all below it, back."""
        path = parts(field)
        kept = {one: value for one, value in self._changes.items() if one[: len(path)] != path}
        self._values, self._changes, self._checked = deepcopy(self._source.values), {}, None
        for one, value in kept.items():
            self._apply(one, value)

    def changed_fields(self) -> list[str]:
        """Fields that hold something else than was loaded, in the model's order."""
        changed = [path for path in self._changes if not self._is_as_loaded(path)]
        order = [place.path for place in all_places()]
        return [dotted(path) for path in sorted(changed, key=lambda path: _rank(path, order))]

    def copy(self) -> RecipeDocument:
        """A document of its own with the same text and changes."""
        twin = RecipeDocument(self._source, self.path)
        twin._values, twin._changes = deepcopy(self._values), dict(self._changes)
        twin._checked = self._checked
        return twin

    def to_yaml(self) -> str:
        """The file's text with the changes in it; comments, order and layout of all else as they were."""
        text = self._source.text
        for path, value in self._changes.items():
            text = with_value(text, path, value, _key_order)
        if self._changes and yaml_source.parse(text, self.file).values != self._values:
            # A layout that the editing of text does not master: right values go before kept comments.
            return "\n".join(block_lines(self._values, 0)) + "\n"
        return text

    def resolved_yaml(self) -> str:
        """Every field, defaults too, local paths absolute. Raises RecipeError where something is wrong."""
        return resolved_yaml(self.recipe())

    def save(self, path: Path) -> None:
        """Write the file atomically. From now on this is what was loaded. Raises OSError.

        Beside a recipe in the user's own folder comes the JSON schema that its first line names.
        """
        text = self.to_yaml()
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent == user_recipes_folder():
            write_atomically(path.parent / SCHEMA_FILE, json_schema())
        write_atomically(path, text)
        self.path = path
        self._source = yaml_source.parse(text, shown_path(path))
        self._changes, self._checked = {}, None

    def _check(self) -> tuple[Recipe | None, list[Fault]]:
        if self._checked is None:
            self._checked = validate(self._values, self._not_asked)
        return self._checked

    def _problem(self, fault: Fault) -> Problem:
        field = dotted(fault.path)
        return Problem(self._source.file, self.line(field), field, fault.wrong, fault.right)

    def _put(self, path: FieldPath, value: object, file: str) -> None:
        for depth, part in enumerate(path):
            there = self.value(dotted(path[:depth])) if isinstance(part, int) else None
            if isinstance(there, list) and isinstance(part, int) and part > len(there):
                wrong = f"there is no element {part}; {dotted(path[:depth])} has {len(there)}, counted from 0"
                raise RecipeError([Problem(file, None, dotted(path), wrong, f"{len(there)} would add one")])
        values = self._with(path, value)
        _, faults = validate(values)
        mine = [one for one in faults if not one.conflict and _touch(one.path, path)]
        if mine:
            raise RecipeError(Problem(file, None, dotted(one.path), one.wrong, one.right) for one in mine)
        self._apply(path, deepcopy(value))

    def _apply(self, path: FieldPath, value: object) -> None:
        self._values, self._checked = self._with(path, value), None
        for below in [one for one in self._changes if one[: len(path)] == path]:
            del self._changes[below]
        if self._is_as_loaded(path) and not any(path[: len(one)] == one for one in self._changes):
            self._restore(path)
        else:
            self._changes[path] = value

    def _restore(self, path: FieldPath) -> None:
        """Make the values those of the text again at `path`: a default that was never written is not written now."""
        self._values = deepcopy(self._source.values)
        for one, value in self._changes.items():
            self._values = self._with(one, value)

    def _is_as_loaded(self, path: FieldPath) -> bool:
        place = find_place(path)
        if place is None:
            return False
        now, before = _read(self._values, place), _read(self._source.values, place)
        return type(now) is type(before) and bool(now == before)

    def _with(self, path: FieldPath, value: object) -> dict[str, Any]:
        """The values with `value` at `path`; sections on the way are made, and one element may be added to a list."""
        values = deepcopy(self._values)
        here: Any = values
        for part, following in pairwise(path):
            empty: Any = [] if isinstance(following, int) else {}
            if isinstance(here, dict):
                if not isinstance(here.get(str(part)), dict | list):
                    here[str(part)] = empty
                here = here[str(part)]
            else:
                here = _element(here, part, empty)
        last = path[-1]
        if isinstance(here, dict):
            here[str(last)] = value
        elif isinstance(last, int) and last < len(here):
            here[last] = value
        else:
            here.append(value)
        return values


def resolved_yaml(recipe: Recipe) -> str:
    """The recipe as a file: every field, defaults too, local paths absolute; the sections of other methods left out."""
    others: set[str] = {
        name for name, method in METHODS.items() if method.settings is not None and name != recipe.method
    }
    values = recipe.model_dump(by_alias=True, exclude=others)
    for path, place in local_paths(recipe).items():
        here: Any = values
        for part in path[:-1]:
            here = here[part]
        here[path[-1]] = str(place)
    return "\n".join(block_lines(values, 0)) + "\n"


def _element(here: list[Any], part: str | int, empty: Any) -> Any:
    if isinstance(part, int) and part < len(here) and isinstance(here[part], dict | list):
        return here[part]
    here.append(empty)
    return empty


def _read(values: Any, place: FieldPlace) -> Any:
    """What `values` hold at the place, else its default; None within a section that is left out whole."""
    here = values
    for depth, part in enumerate(place.path):
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            missing = range(depth if here is None else depth + 1, len(place.path))
            around = (find_place(place.path[:end]) for end in missing)
            left_out = any(one is not None and one.type.section is not None and one.default is None for one in around)
            return None if left_out or place.default is PydanticUndefined else _plain(place.default)
    return here


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _touch(one: FieldPath, other: FieldPath) -> bool:
    """Whether one path lies at or below the other."""
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _rank(path: FieldPath, order: Sequence[FieldPath]) -> int:
    like = as_listed(path)
    return next((index for index, one in enumerate(order) if one[: len(like)] == like), len(order))


def _key_order(path: FieldPath) -> list[str]:
    place = find_place(path)
    return [] if place is None or place.type.section is None else list(section_fields(place.type.section))


def shown_path(path: Path) -> str:
    """The path as errors give it: relative where it lies below the working directory."""
    try:
        shown = path.relative_to(Path.cwd())
    except (ValueError, OSError):
        shown = path
    return plain_line(str(shown))
