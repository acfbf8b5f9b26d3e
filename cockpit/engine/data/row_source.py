"""Where rows come from: a file or folder on this disk, or a dataset on the Hub"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cockpit.data.arrow_rows import null_removers
from cockpit.data.file_names import names_of
from cockpit.data.files import SAMPLE_ROWS, DatasetForm, form_of_rows, named_columns, recognise, rows_of, split_files
from cockpit.data.inputs import source_path
from cockpit.data.row_error import Read, RowError
from cockpit.data.rows import SUFFIXES
from cockpit.engine.errors import RunFailure
from cockpit.engine.hub.datasets import load
from cockpit.models.hub_cache import is_hub_name
from cockpit.paths import local_path
from cockpit.recipe.data import Source
from cockpit.recipe.methods.method import MethodName
from cockpit.text.plain_text import plain_line, plain_text

COMMIT = re.compile("[0-9a-f]{40}")
Say = Callable[[str], None]


class LocalRows:
    """The rows of a split on this disk."""

    commit = ""

    def __init__(self, source: Source, path: Path, method: MethodName) -> None:
        """Looks at the first rows. Raises ValueError or OSError where it cannot be read or has no known form."""
        self.path, self._split = path, source.split
        self.form: DatasetForm = recognise(path, source.columns, source.format, source.split, method)
        self.name = plain_line(path.name)
        self.files = split_files(path, source.split)
        self.folder = self.files[0].parent
        """What paths of images are relative to."""
        self.file_names: dict[Path, str] = {}
        """What the files are called, where that is not by their base names."""

    def count(self) -> int:
        """How many rows can be read."""
        if self.form.rows is not None:
            return self.form.rows
        return sum(1 for _ in self.rows(lambda _: None))

    def rows(self, on_bad_row: Callable[[RowError], None]) -> Iterator[Read]:
        """Every row that can be read and where it stands. Raises ValueError or OSError where it cannot be read on."""
        return rows_of(self.path, self._split, on_bad_row, self.file_names)


class HubRows:
    """The rows of a split of a dataset on the Hub, or of its copy in the cache."""

    folder = Path()

    def __init__(self, source: Source, say: Say, method: MethodName) -> None:
        """Fetches the dataset where it is not in the cache. Raises RunFailure."""
        self.name = plain_line(source.name_or_path)
        say(f"Fetching {self.name} from the Hub, where it is not in the cache here.")
        self._dataset = _undecoded(load(source))
        self.commit = _commit_of(self._dataset)
        self.files = [Path(file["filename"]) for file in self._dataset.cache_files]
        self._removers = null_removers(self._dataset.features.arrow_schema)
        sample = list(itertools.islice(self.rows(), SAMPLE_ROWS))
        if not sample:
            raise RunFailure(f"{self.name} has no rows in its split {plain_text(source.split)}.")
        try:
            named = named_columns(source.columns)
            self.form = form_of_rows(self.name, sample, named, source.format, len(self._dataset), method=method)
        except ValueError as error:
            raise RunFailure(f"{error}.") from error

    def count(self) -> int:
        """How many rows there are."""
        return len(self._dataset)

    def rows(self, on_bad_row: Callable[[RowError], None] | None = None) -> Iterator[Read]:
        """Every row and where it stands, without the nulls that Arrow fills objects up with."""
        for number, row in enumerate(self._dataset, 1):
            cleaned = {name: remover(row[name]) for name, remover in self._removers.items()}
            yield f"{self.name} row {number}", {**row, **cleaned}


RowSource = LocalRows | HubRows


def open_sources(sources: Sequence[Source], say: Say, method: MethodName = "sft") -> list[RowSource]:
    """Each source, looked at, with names for sources and files that tell them apart; `method` is what is to be trained
    by. Raises RunFailure."""
    opened = [open_source(source, say, method) for source in sources]
    here = [rows for rows in opened if isinstance(rows, LocalRows)]
    of_sources = names_of(rows.path for rows in here)
    of_files = names_of(path for rows in here for path in rows.files)
    for rows in here:
        rows.name = of_sources[rows.path]
        rows.file_names = {path: of_files[path] for path in rows.files}
    calls = [rows.name for rows in opened]
    for source, one in zip(sources, opened, strict=True):
        if isinstance(one, HubRows) and calls.count(one.name) > 1:
            part = plain_line(" ".join(filter(None, (source.subset, source.file, source.split))))
            one.name = f"{one.name} ({part})"
    return opened


def is_on_hub(source: Source) -> bool:
    """Whether the source names a dataset of the Hub, not rows on this disk. Raises RunFailure where it is neither."""
    try:
        path = source_path(source)
        if path.exists():
            return False
    except (ValueError, OSError, RuntimeError) as error:
        raise RunFailure(f"{error}.") from error
    named_here = local_path(source.name_or_path) is not None or path.suffix.lower() in SUFFIXES
    if named_here or not is_hub_name(source.name_or_path):
        shown = plain_line(source.name_or_path)
        raise RunFailure(f"The data file {shown} is not there.", "Give its path in data.sources.")
    return True


def open_source(source: Source, say: Say, method: MethodName = "sft") -> RowSource:
    """The source, looked at. Raises RunFailure where it is not there, cannot be read or has no known form."""
    if is_on_hub(source):
        return HubRows(source, say, method)
    try:
        return LocalRows(source, source_path(source), method)
    except (ValueError, OSError, RuntimeError) as error:
        raise RunFailure(f"{error}.") from error


def _commit_of(dataset: Any) -> str:
    """The Hub's commit that a dataset is of; its cache names the folder after that. Empty where that is not so."""
    names = {Path(file["filename"]).parent.name for file in dataset.cache_files}
    return next((name for name in names if COMMIT.fullmatch(name)), "")


def _undecoded(dataset: Any) -> Any:
    """The dataset with its images as they are stored, so that each is opened only when it is trained on."""
    for column, feature in dataset.features.items():
        cast = without_decoding(feature)
        if cast is not feature:
            dataset = dataset.cast_column(column, cast)
    return dataset


def without_decoding(feature: Any) -> Any:
    """A feature of datasets with the images in it as they are stored; the very same one where it holds none."""
    import datasets

    if isinstance(feature, datasets.Image):
        return datasets.Image(decode=False)
    if isinstance(feature, list):  # as of datasets 3
        inner = without_decoding(feature[0])
        return feature if inner is feature[0] else [inner]
    if isinstance(feature, getattr(datasets, "List", datasets.Sequence)):
        inner = without_decoding(feature.feature)
        return feature if inner is feature.feature else type(feature)(inner)
    return feature
