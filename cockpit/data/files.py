"""Data of the user's on this disk, a file or a folder with splits: which form its rows have. No torch, no datasets."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.data.row_error import Read, RowError
from cockpit.data.rows import READABLE, SUFFIXES, read_rows
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.recipe.data import Columns, RowFormat
    from cockpit.recipe.methods.method import MethodName

COUNTED_BYTES = 32 << 20
"""Rows of larger data are not counted, so that nobody waits for it; Parquet says its number itself."""
SAMPLE_ROWS = 100
"""Rows whose columns tell the form."""


@dataclass(frozen=True)
class DatasetForm:
    """What the rows of a source are. `columns` tells the column of each part, by the names of recipe's Columns."""

    form: RowFormat
    columns: dict[str, str]
    rows: int | None
    """None where the data is too large to be counted. Rows that cannot be read are left out."""
    has_images: bool = False
    named: tuple[str, ...] = ()
    """The parts whose columns the recipe names itself."""
    has_classes: bool = False
    """Whether a column such as label is known not to say which answers are desired."""


def split_files(path: Path, split: str) -> list[Path]:
    """The files that hold the split, sorted: the file itself, or those of a folder that are named after the split.

    In a folder a split is `train.jsonl`, `train-00000-of-00002.parquet`, or a folder `train` of its own, there or in a
    folder `data`. Raises ValueError with a sentence where there is no such split, OSError where it cannot be looked at.
    """
    name = plain_line(path.name)
    if not path.is_dir():
        if split != "train":
            raise ValueError(f"{name} is a file, which has no splits; leave split as train")
        return [path]
    found: dict[str, list[Path]] = {}
    for folder in (path, path / "data"):
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            if entry.is_dir() and entry.name != "data":
                inside = sorted(one for one in entry.iterdir() if one.suffix.lower() in READABLE and one.is_file())
                # What save_to_disk writes beside its rows is no data.
                rows = [one for one in inside if one.name not in ("state.json", "dataset_info.json")]
                if rows:
                    found.setdefault(entry.name, []).extend(rows)
            elif entry.suffix.lower() in SUFFIXES and entry.name not in ("dataset_dict.json", "dataset_infos.json"):
                found.setdefault(re.sub(r"-\d+(-of-\d+)?$", "", entry.stem), []).append(entry)
    if not found:
        raise ValueError(f"{name} is a folder without data; give a file, or a folder of {', '.join(SUFFIXES)}")
    if split not in found:
        splits = ", ".join(plain_line(one) for one in list(found)[:8])
        raise ValueError(f"{name} has no split called {plain_line(split)}; it has {splits}")
    return found[split]


def rows_of(
    path: Path,
    split: str = "train",
    on_bad_row: Callable[[RowError], None] | None = None,
    names: Mapping[Path, str] | None = None,
) -> Iterator[Read]:
    """Every row of the split and where it stands, as `read_rows` has it, by these `names` of its files where they are
    given; raises what that and `split_files` raise."""
    files = split_files(path, split)
    return itertools.chain.from_iterable(read_rows(file, on_bad_row, (names or {}).get(file)) for file in files)


def recognise(
    path: Path, columns: Columns, format: RowFormat, split: str = "train", method: MethodName = "sft"
) -> DatasetForm:
    """The form of the split's rows, as `method` takes them: `format`, or for `auto` the one that its first rows have.

    Raises ValueError with a sentence that names the columns found where it is no form, or not the one asked for;
    OSError where the data cannot be read. What has not changed is not read again.
    """
    files = tuple(split_files(path, split))
    versions = tuple((one.stat().st_mtime_ns, one.stat().st_size) for one in files)
    found = _recognised(files, versions, named_columns(columns), format, method)
    if isinstance(found, str):
        raise ValueError(found)
    return found


def named_columns(columns: Columns) -> tuple[tuple[str, str], ...]:
    """The columns that the recipe names itself: part and name."""
    return tuple((part, name) for part, name in columns.model_dump().items() if name is not None)


def form_of_rows(
    name: str,
    sample: list[Read],
    named: tuple[tuple[str, str], ...],
    format: RowFormat,
    rows: int | None,
    further: Iterable[str] = (),
    method: MethodName = "sft",
) -> DatasetForm:
    """The form that the rows of `sample` have; `name` is what errors call their source, `further` are columns that only
    other rows have, and `method` is what is to be trained by.

    Raises ValueError with a sentence: which columns there are, and what would do.
    """
    from cockpit.data.form_errors import turn_a_row, why_no_form
    from cockpit.data.method_forms import check_form, form_of_method
    from cockpit.data.other_methods import has_classes, refuse_other_methods
    from cockpit.data.row_form import form_of, has_images
    from cockpit.data.row_layout import INDEX
    from cockpit.data.shown import listed_names, shown_name
    from cockpit.recipe.methods.registry import METHODS

    several = [row for _, row in sample]
    there = dict.fromkeys([*(column for row in several for column in row), *further])
    columns = [column for column in there if not INDEX.fullmatch(column)]
    for part, column in named:
        if column not in there:
            raise ValueError(f"{name} has no column '{shown_name(column)}' for {part}; it has {listed_names(columns)}")
    if METHODS[method].rows != "single":
        form, parts = form_of_method(name, several, columns, dict(named), format, method)
        return DatasetForm(form.name, parts, rows, named=tuple(part for part, _ in named))
    if not named:
        refuse_other_methods(name, columns, several, method)
        if wrong := turn_a_row(name, sample):
            raise ValueError(wrong)
    found = form_of(several, columns, dict(named), format)
    if found is None:
        raise ValueError(why_no_form(name, sample, columns, dict(named), format))
    form, parts = found
    check_form(name, form.name, method)
    given, classes = tuple(part for part, _ in named), has_classes(columns, several)
    return DatasetForm(form.name, parts, rows, has_images(parts, several), given, classes)


@functools.lru_cache(maxsize=32)
def _recognised(
    files: tuple[Path, ...],
    versions: tuple[tuple[int, int], ...],
    named: tuple[tuple[str, str], ...],
    format: RowFormat,
    method: MethodName,
) -> DatasetForm | str:
    """The form, or why there is none: kept either way for as long as the files stay as they are."""
    first: list[RowError] = []

    def note(error: RowError) -> None:
        if not first:
            first.append(error)

    try:
        rows = itertools.chain.from_iterable(read_rows(file, note) for file in files)
        sample = list(itertools.islice(rows, SAMPLE_ROWS))
        name = plain_line(files[0].name)
        if not sample:
            return str(first[0]) if first else f"{name} has no rows"
        further = _seen({column for _, column in named} - {key for _, row in sample for key in row}, rows)
        count = _count(files, sum(size for _, size in versions))
        return form_of_rows(name, sample, named, format, count, further, method)
    except ValueError as error:
        return str(error)


def _seen(wanted: set[str], rows: Iterator[Read]) -> set[str]:
    """Which of these columns any row has: a column that the recipe names may be in few of them."""
    seen: set[str] = set()
    while seen != wanted:
        row = next(rows, None)
        if row is None:
            break
        seen |= wanted & row[1].keys()
    return seen


def _count(files: tuple[Path, ...], size: int) -> int | None:
    if all(file.suffix.lower() == ".parquet" for file in files):
        import pyarrow.parquet as pq

        return sum(int(pq.read_metadata(file).num_rows) for file in files)
    if size > COUNTED_BYTES:
        return None
    return sum(1 for file in files for _ in read_rows(file, lambda _: None))
