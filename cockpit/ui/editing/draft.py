"""Draft: a recipe while it is edited. Knows every field's text, what is wrong with it, and what was changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.recipe.fields import FormField, form_fields, format_value, parse_field
from cockpit.recipe.moot import moot_fields
from cockpit.recipe.problem import Problem, RecipeError
from cockpit.recipe.unset import when_unset
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.change_list import Change
from cockpit.ui.widgets.entry import one_line
from cockpit.ui.widgets.field_row import Meaning

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.recipe import Recipe

DATA_FILE = re.compile(r"(data\.sources\.\d+\.)name_or_path")
DATA_FORM = ("format", "columns.", "subset", "file", "split")
"""What belongs to one dataset and means nothing for another."""
MOST_TOLD = 5
"""Changed fields that a new recipe's description names."""
MODEL = "model.name_or_path"
SCHEDULER = "training.lr_scheduler_type"
METHOD = "method"
MODEL_REVISION = "model.revision"


class Draft:
    """Edits a copy; `document` stays sound in its single fields: a text that a field cannot take is kept apart."""

    def __init__(self, document: RecipeDocument) -> None:
        self.document = document.copy()
        self._opened = _as_loaded(document)
        self.fields = {field.path: field for field in form_fields(_sources(document))}
        self._texts: dict[str, str] = {}
        self._errors: dict[str, str] = {}
        self._touched: set[str] = set()
        self._sound = self.recipe()
        self._at_default = {path for path, field in self.fields.items() if self.text(path) == _default_text(field)}

    @property
    def groups(self) -> list[str]:
        """The fields' groups, in the form's order."""
        return list(dict.fromkeys(field.group for field in self.fields.values()))

    def fields_of(self, group: str) -> list[FormField]:
        """A group's fields, in the form's order."""
        return [field for field in self.fields.values() if field.group == group]

    def left_out(self) -> set[str]:
        """The settings of other schedulers and methods than those that are chosen: fields that mean nothing."""
        kind, method = self.text(SCHEDULER), self.text(METHOD)
        fields = self.fields.values()
        others = {
            one.path for one in fields if one.schedulers and kind not in one.schedulers and not self.text(one.path)
        }
        of_methods = (one for one in fields if one.methods and method not in one.methods)
        return others | {one.path for one in of_methods if self.text(one.path) == _default_text(one)}

    def rarely_looked_at(self) -> set[str]:
        """Fields that most people never look at, and that have always stood at their default since this was opened."""
        self._at_default -= self.changed() | self.errors().keys()
        return {path for path in self._at_default if not self.fields[path].is_common}

    def meaning(self) -> dict[str, Meaning]:
        """What each field comes to in the recipe, as it was when it was last sound."""
        self._sound = self.recipe() or self._sound
        if self._sound is None:
            return {}
        moot = moot_fields(self._sound)
        return {path: Meaning(moot.get(path, ""), self.unset(path)) for path in self.fields}

    def unset(self, path: str) -> str:
        """What the field comes to while it is empty."""
        return when_unset(path, self._sound) if self._sound is not None else ""

    def text(self, path: str) -> str:
        """What the field shows: the text as typed where it is wrong, else the value."""
        return self._texts.get(path, one_line(format_value(self.document.value(path))))

    def type(self, path: str, text: str) -> list[str]:
        """Take a field's text in; the fields that went along with it. A text that means no value of the field changes
        nothing but its error."""
        if text == self.text(path):
            return []
        self._touched.add(path)
        if not text and self._ends_section(path):
            return self._leave_out(self.fields[path].left_out_with)
        try:
            value = parse_field(self.fields[path], text.replace("\\n", "\n"))
            self.document.set(path, self._as_opened(path, value))
        except RecipeError as error:
            self._refuse(path, text, "; ".join(part for part in _parts(error) if part))
            return []
        except ValueError as error:
            self._refuse(path, text, str(error))
            return []
        self._forget(path)
        return [*self._take_along(path), *self._beside(path)]

    def reset(self, path: str) -> list[str]:
        """The field as it was opened; the fields that went along with it, itself among them."""
        self._forget(path)
        self._touched.discard(path)
        self.document.reset(path)
        return [path, *self._take_along(path), *self._beside(path)]

    def reset_all(self) -> None:
        """All fields as they were opened."""
        for path in [*self._texts, *self.document.changed_fields()]:
            self._forget(path)
            self.document.reset(path)
        self._touched.clear()

    def saved(self, path: Path) -> None:
        """Write the recipe to `path`; from now on this is what was opened. Raises OSError.

        Under another name it no longer tells what the recipe is that it was made from.
        """
        document = self.document.copy()
        changed = document.changed_fields()
        if path.stem != document.name and not any(field.startswith("about") for field in changed):
            fields = f": {', '.join(changed)}" if 0 < len(changed) <= MOST_TOLD else ""
            document.set("about.title", plain_line(path.stem)[:80])
            document.set(
                "about.description",
                f"From {self.document.name}, changed{fields}." if changed else f"From {self.document.name}.",
            )
        document.save(path)
        self.document = document
        self._opened = self.document.copy()
        self._touched.clear()

    def errors(self) -> dict[str, str]:
        """What is wrong, a sentence a field, in the form's order; fields that are not in the form come last, with
        their line in the file: `training.steps (line 12)`.

        Texts that mean no value, and values that do not go together.
        """
        found = dict(self._errors)
        for problem in self.document.problems():
            sentence = "; ".join(filter(None, (problem.wrong, problem.right)))
            path = self.field_at(problem.field)
            if path is None:
                sentence += f"; mend it in the file {problem.file}"
            found.setdefault(path or _with_line(problem), plain_line(sentence))
        order = list(self.fields)
        return dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))

    def field_at(self, path: str) -> str | None:
        """The form's field at the path, the one that holds it as an element, or the first of a section that may be left
        out; None where the form has none."""
        below = next((one for one in self.fields if one.startswith(f"{path}.")), None)
        if path not in self.fields and below is not None and self.fields[below].left_out_with == path:
            return below
        while path and path not in self.fields:
            path = path.rpartition(".")[0]
        return path or None

    def changes(self) -> list[Change]:
        """The fields that differ from what was opened, in the model's order."""
        paths = self._changed_leaves()
        return [Change(path, _shown(self._opened.value(path)), _shown(self.document.value(path))) for path in paths]

    def changed(self) -> set[str]:
        """The fields whose text is not the one they were opened with."""
        return {*self._texts, *self._changed_leaves()}

    def _changed_leaves(self) -> list[str]:
        """The changed fields; of a section or of sources that were changed as a whole, those that differ."""
        found = []
        for path in self.document.changed_fields():
            was, now = self._opened.value(path), self.document.value(path)
            below = [one for one in self.fields if one.startswith(f"{path}.")]
            if not below or (isinstance(was, list) and isinstance(now, list) and len(was) != len(now)):
                found.append(path)
            found += [one for one in below if self.document.value(one) != self._opened.value(one)]
        return list(dict.fromkeys(found))

    def recipe(self) -> Recipe | None:
        """The recipe, or None while something is wrong."""
        return None if self.errors() else self.document.recipe()

    def _as_opened(self, path: str, value: object) -> object:
        """The value as the file writes it where it is the same number: 32 in place of 32.0 is no change."""
        opened = self._opened.value(path)
        numbers = isinstance(value, float) and isinstance(opened, int) and not isinstance(opened, bool)
        return opened if numbers and opened == value else value

    def _refuse(self, path: str, text: str, sentence: str) -> None:
        self._texts[path] = text
        self._errors[path] = plain_line(sentence)

    def _forget(self, path: str) -> None:
        self._texts.pop(path, None)
        self._errors.pop(path, None)

    def _ends_section(self, path: str) -> bool:
        """Whether a section that may be left out is, once the field is empty: nothing else is said in it, or cannot be
        without the field."""
        field = self.fields[path]
        others = [one for one in self._beside(path) if self.document.value(one) != self.fields[one].place.default]
        return bool(field.left_out_with) and (field.kind == "choice" or field.place.required or not others)

    def _leave_out(self, section: str) -> list[str]:
        """Leave a section out whole; its fields, which are empty from now on."""
        self.document.set(section, None)
        within = [one for one, field in self.fields.items() if field.left_out_with == section]
        for one in within:
            self._forget(one)
        return within

    def _beside(self, path: str) -> list[str]:
        """The fields that are there, or not, together with this one."""
        section = self.fields[path].left_out_with
        return [
            one
            for one, field in self.fields.items()
            if section and field.left_out_with == section and one != path and one not in self._texts
        ]

    def _take_along(self, path: str) -> list[str]:
        """Another file has a form of its own, another model its own revisions, unless the person said so."""
        if is_source := DATA_FILE.fullmatch(path):
            belonging = [one for one in self.fields if one.startswith(tuple(is_source[1] + part for part in DATA_FORM))]
        elif path == MODEL:
            belonging = [MODEL_REVISION]
        else:
            return []
        is_new = path in self.changed()
        taken = [one for one in belonging if one not in self._touched]
        for one in taken:
            if not is_new:
                self.document.reset(one)
            elif self.document.value(one) != self.fields[one].default:
                self.document.set(one, self.fields[one].default)
        return taken


def _default_text(field: FormField) -> str:
    return "" if field.left_out_with else one_line(format_value(field.default))


def _as_loaded(document: RecipeDocument) -> RecipeDocument:
    """The recipe as its file has it, without what was changed before it was opened here."""
    loaded = document.copy()
    for path in loaded.changed_fields():
        loaded.reset(path)
    return loaded


def _sources(document: RecipeDocument) -> int:
    """How many sources of data the recipe has; one where it says none that can be read."""
    sources = document.value("data.sources")
    return max(1, len(sources)) if isinstance(sources, list) else 1


def _with_line(problem: Problem) -> str:
    line = f"line {problem.line}" if problem.line is not None else ""
    return f"{problem.field} ({line})" if problem.field and line else problem.field or line


def _parts(error: RecipeError) -> tuple[str, str]:
    return error.problems[0].wrong, error.problems[0].right


def _shown(value: object) -> str:
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return f"{len(value)} source{'s' * (len(value) > 1)}"
    return one_line(format_value(value)) or "empty"
