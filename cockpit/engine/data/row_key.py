"""The key under which tokenized rows are kept: all that they depend on, the content of the data first of all"""

from __future__ import annotations

import functools
import importlib.metadata
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from cockpit.data.fingerprints import fingerprint_of, fingerprint_of_bytes
from cockpit.data.row_lengths import AFTERWARDS
from cockpit.engine.data.row_reader import RowReader
from cockpit.recipe.recipe import Recipe

LIBRARIES = ("tokenizers", "transformers", "jinja2", "datasets", "pyarrow")
"""Whose version is part of the key."""
CODE = ("cockpit/data", "cockpit/engine/data")
"""Folders whose own code makes the rows: another version of it makes others."""


def row_key(
    recipe: Recipe, reader: RowReader, tokenizer: str, length: int, on_progress: Callable[[], None]
) -> str | None:
    """The key of the rows of `reader`, cut to `length`. `tokenizer` is its fingerprint. None where the content of the
    data cannot be told. `on_progress` is called now and then, and may raise to end the work. Raises OSError."""
    files = reader.files
    if files is None:
        return None
    data = recipe.data.model_dump(mode="json", exclude=AFTERWARDS)
    for source in data["sources"]:
        del source["name_or_path"]  # a file that was moved is the same file
    parts = {
        "data": data,
        "method": recipe.method,
        "names": [reader.names, reader.file_names],
        "forms": [repr(form) for form in reader.details],
        "files": [[(path.name, fingerprint_of(path, on_progress)) for path in paths] for paths in files],
        "tokenizer": tokenizer,
        "length": length,
        "near": recipe.data.duplicates == "drop_near",
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "code": code_fingerprint(),
    }
    return fingerprint_of_bytes(json.dumps(parts, sort_keys=True).encode())


def versions_of(files: Iterable[Path]) -> list[tuple[int, int, int]]:
    """What tells that a file was written meanwhile: time, size, inode. Raises OSError."""
    return [(status.st_mtime_ns, status.st_size, status.st_ino) for status in (path.stat() for path in files)]


@functools.cache
def code_fingerprint() -> str:
    """Of the code that makes rows."""
    package = Path(__file__).resolve().parents[3]
    paths = sorted(path for folder in CODE for path in (package / folder).glob("*.py"))
    return fingerprint_of_bytes(*(path.read_bytes() for path in paths))
