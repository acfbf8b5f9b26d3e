"""What a recipe names, copied into a folder, and the recipe changed so that it names the copies"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cockpit.data.files import rows_of, split_files
from cockpit.data.inputs import SourceInput
from cockpit.paths import PREFIX, expanded, kind_of
from cockpit.recipe.data import Source
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.own_modules import files_of_judges, own_modules
from cockpit.recipe.recipe import Recipe
from cockpit.runs.starting_adapter import StartingAdapter
from cockpit.text.plain_text import plain_line

OF_IMAGES = ("image", "image_url")
"""Kinds of parts of a turn that are images, and the keys that such parts have."""
WriteRows = Callable[[Source, Path], None]
"""Writes the rows of a source of the Hub to a Parquet file."""


class InputCopies:
    """Copies go below `folder`; `document` is changed in place, and names them relative to it."""

    def __init__(self, document: RecipeDocument, folder: Path, say: Callable[[str], None]) -> None:
        """`say` is told what is copied, and what cannot be."""
        self._document, self._folder, self._say = document, folder, say
        self._recipe: Recipe = document.recipe()
        self._copied: dict[Path, str] = {}

    def copy_model(self, source: Path) -> None:
        """The base model, which lies in the folder `source`. Raises OSError."""
        if self._recipe.model.name_or_path.startswith(PREFIX):
            return
        self._document.use_model(self._tree(source, "model"))

    def copy_adapter(self) -> None:
        """The adapter that the recipe goes on with, if it names one. Raises ValueError with a clause, OSError."""
        if self._recipe.model.adapter is not None:
            found = StartingAdapter.named(self._recipe.model.adapter)
            self._document.set("model.adapter", self._tree(found.path, "adapter"))

    def copy_rows(self, write_rows: WriteRows) -> None:
        """Every source, with the images that its rows name. Raises ValueError with a sentence, OSError, and whatever
        `write_rows` raises."""
        for number, (field, source) in enumerate(self._recipe.data.every_source(), 1):
            if source.name_or_path.startswith(PREFIX):
                continue
            found = SourceInput.of(source, self._recipe.method)
            if found.error is not None:
                raise ValueError(f"{field}: {found.error}.")
            if found.path is None or found.kind == "nothing":
                path = self._folder / f"data/{number}/rows.parquet"
                path.parent.mkdir(parents=True)
                self._say(f"rows of {plain_line(source.name_or_path)}")
                write_rows(source, path)
                self._name_rows(field, source, self._relative(path), split="train")
            else:
                self._name_rows(field, source, self._rows_here(found.path, number, found), split=source.split)

    def copy_pictures(self) -> None:
        """Those of the suite's prompts. Raises OSError."""
        for half, index, prompt in self._recipe.suite.prompts():
            images = [("image", prompt.image)]
            images += [(f"messages.{at}.image", turn.image) for at, turn in enumerate(prompt.messages)]
            for name, image in images:
                if image is not None:
                    path = expanded(image).absolute()
                    place = self._file(path, self._folder / f"pictures/{len(self._copied)}-{path.name}")
                    self._document.set(f"suite.{half}.{index}.{name}", place)

    def copy_code(self) -> None:
        """Modules of the user's own that the recipe names, which are looked for in the working folder, and files below
        it that its judges are run with."""
        for module in own_modules(self._recipe):
            path = Path.cwd() / f"{module}.py"
            if path.is_file():
                self._file(path, self._folder / path.name)
            else:
                self._say(f"not packed: the module {plain_line(module)}, which is no file of this folder")
        for path in files_of_judges(self._recipe):
            self._file(path.absolute(), self._folder / path)

    def _rows_here(self, path: Path, number: int, found: SourceInput) -> str:
        place = self._folder / "data" / str(number)
        if found.kind == "folder":
            name = self._tree(path, f"data/{number}")
            below, root = self._folder / name, path.absolute()
        else:
            name = self._file(path.absolute(), place / path.name)
            below, root = (self._folder / name).parent, path.absolute().parent
        if found.has_images:
            folder, root = _normal(split_files(path, found.source.split)[0].absolute().parent), _normal(root)
            column = None if found.form is None else found.form.columns.get("image")
            for named in _images_of(path, found.source.split, folder, column):
                image = _normal(folder / named)
                if named.is_absolute() or not image.is_relative_to(root):
                    raise ValueError(
                        f"{plain_line(path.name)}: its rows name the image {plain_line(str(named))}, which another "
                        "machine would not find; give paths relative to the file, below its folder."
                    )
                self._file(image, below / image.relative_to(root))
        return name

    def _name_rows(self, field: str, source: Source, name: str, split: str) -> None:
        document = self._document
        if field == "data.validation" and self._recipe.data.validation is not None:
            given = source.model_dump(include={"format", "columns", "instruction", "max_rows"})
            values: dict[str, Any] = {"name_or_path": name, "split": split, **given}
            document.set(field, {key: value for key, value in values.items() if value is not None})
            return
        for part, value in (("name_or_path", name), ("subset", None), ("file", None), ("split", split)):
            if document.value(f"{field}.{part}") != value:
                document.set(f"{field}.{part}", value)

    def _tree(self, source: Path, place: str) -> str:
        """All files below a folder but hidden ones, links followed; one that leads nowhere is left out."""
        if source.absolute() in self._copied:
            return self._copied[source.absolute()]
        self._say(plain_line(str(source)))
        shutil.copytree(source, self._folder / place, ignore=_left_out, dirs_exist_ok=True)
        return self._relative(self._folder / place, source)

    def _file(self, source: Path, place: Path) -> str:
        if source in self._copied:
            return self._copied[source]
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)
        return self._relative(place, source)

    def _relative(self, place: Path, source: Path | None = None) -> str:
        name = f"./{place.relative_to(self._folder)}"
        if source is not None:
            self._copied[source.absolute()] = name
        return name


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Not by ignore_dangling_symlinks: for shutil links are relative to the working folder, which leaves out all of the
    Hub's cache."""
    return {name for name in names if name.startswith(".") or not Path(folder, name).exists()}


def _images_of(path: Path, split: str, folder: Path, column: str | None) -> Iterator[Path]:
    """The image files that rows name, as they name them: relative to `folder`, or absolute. They stand in `column`,
    where there is one, or in the parts of turns."""
    for _, row in rows_of(path, split):
        for text in (*_texts(row.get(column or "")), *_texts_of_parts(row)):
            named = expanded(text.removeprefix("file://"))
            if kind_of(folder / named) == "file":
                yield named


def _texts_of_parts(value: Any) -> Iterator[str]:
    """What stands in parts that are images, as {type: image, image: one.png} and {image_url: {url: one.png}}."""
    if isinstance(value, dict):
        is_image = value.get("type") in OF_IMAGES
        for key, one in value.items():
            yield from _texts(one) if is_image or key in OF_IMAGES else _texts_of_parts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts_of_parts(one)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _normal(path: Path) -> Path:
    """Without `..`, links as they are named."""
    return Path(os.path.normpath(path))
