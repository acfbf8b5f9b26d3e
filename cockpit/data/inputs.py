"""Inputs: where the model and the data that a recipe names lie on this disk, looked up once and handed on"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cockpit.data.files import DatasetForm, recognise
from cockpit.models.folder import ModelFolder
from cockpit.models.hub_cache import cached_snapshot
from cockpit.paths import kind_of, located, resolve

if TYPE_CHECKING:
    from cockpit.recipe.data import Source
    from cockpit.recipe.methods.method import MethodName
    from cockpit.recipe.recipe import Recipe


VALIDATION = "data.validation"
Kind = Literal["file", "folder", "nothing"]


def source_path(source: Source) -> Path:
    """The path that a source names, which need not be there. Raises ValueError, OSError or RuntimeError where it names
    none."""
    return Path(resolve(source.name_or_path)).expanduser()


@dataclass(frozen=True)
class SourceInput:
    """One source of data. `path` is None where its name can be no path; `kind` is nothing for a dataset of the Hub too;
    `form` is None where nothing is there or `error` says what is wrong with it.
    """

    source: Source
    path: Path | None
    kind: Kind
    form: DatasetForm | None = None
    error: ValueError | OSError | RuntimeError | None = None

    @classmethod
    def of(cls, source: Source, method: MethodName = "sft") -> SourceInput:
        """Look at the disk; rows that have not changed since the last time are not read again. `method`: what is to be
        trained by."""
        kind: Kind = "nothing"
        try:
            path = source_path(source)
            kind = "folder" if path.is_dir() else "file" if path.is_file() else "nothing"
        except (OSError, ValueError, RuntimeError) as error:
            return cls(source, None, "nothing", error=error)
        if kind == "nothing":
            return cls(source, path, kind)
        try:
            return cls(source, path, kind, recognise(path, source.columns, source.format, source.split, method))
        except (OSError, ValueError) as error:
            return cls(source, path, kind, error=error)

    @property
    def has_images(self) -> bool:
        """Whether its rows have images: told by the format, or seen in the first rows of data on this disk.

        Of a dataset on the Hub only the recipe tells it, by format, an image column or an instruction.
        """
        source = self.source
        if source.format == "image_text" or source.columns.image is not None:
            return True
        if self.kind == "nothing":
            return self.error is None and source.instruction is not None
        return self.form is not None and self.form.has_images


@dataclass(frozen=True)
class Inputs:
    """`model_path` is the model's folder as the recipe names it, which need not be there; None for a model of the Hub,
    and where `model_error` says what is wrong with the name. `model` holds its files where they are on this disk, in
    the Hub's cache too.
    """

    model_path: Path | None
    model_error: str
    model: ModelFolder | None
    sources: tuple[SourceInput, ...]
    """What is trained on."""
    named: tuple[tuple[str, SourceInput], ...] = ()
    """All that is read, data.validation too, by its field in the recipe."""

    @classmethod
    def of(cls, recipe: Recipe) -> Inputs:
        """Look up everything that the recipe names; never asks a network."""
        name = recipe.model.name_or_path
        named = tuple((field, SourceInput.of(source, recipe.method)) for field, source in recipe.data.every_source())
        sources = tuple(source for field, source in named if field != VALIDATION)
        try:
            path = located(name)
        except ValueError as error:
            return cls(None, str(error), None, sources, named)
        try:
            folder = path or cached_snapshot(name)
        except OSError:
            folder = None  # a cache that is being cleared
        model = ModelFolder.at(folder) if folder is not None and kind_of(folder) == "folder" else None
        return cls(path, "", model, sources, named)

    @property
    def has_images(self) -> bool:
        """Whether any source has images."""
        return any(source.has_images for source in self.sources)

    @property
    def validation(self) -> SourceInput | None:
        """The rows to measure on that are in a file or split of their own."""
        return dict(self.named).get(VALIDATION)


def trains_images(recipe: Recipe) -> bool:
    """Whether the rows have images, as `SourceInput.has_images` tells it."""
    return any(SourceInput.of(source, recipe.method).has_images for _, source in recipe.data.every_source())
