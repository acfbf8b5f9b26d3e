"""How long a recipe's rows are, as they were tokenized here before; told without reading or tokenizing them"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cockpit.data.fingerprints import fingerprint_of_bytes
from cockpit.data.inputs import source_path
from cockpit.paths import local_path

if TYPE_CHECKING:
    from cockpit.data.rows_cache import RowsCache
    from cockpit.recipe.recipe import Recipe

AFTERWARDS = {"eval_rows", "eval_share", "duplicates"}
"""Fields of data that say what becomes of tokenized rows, not how they are made."""
MOST_FILES = 1000
"""A folder with more files is not looked through."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "chat_template.jinja")


@dataclass(frozen=True)
class RowLengths:
    """In tokens, as they are trained; of `rows` rows, those held out too."""

    rows: int
    longest: int
    shortest: int
    tokens: int

    @property
    def mean(self) -> float:
        """Tokens of a row."""
        return self.tokens / self.rows

    @property
    def alike(self) -> bool:
        """Whether all are equally long."""
        return self.longest == self.shortest


class KnownRows:
    """What the rows' cache held when it was read."""

    def __init__(self, lengths: dict[str, RowLengths] | None = None) -> None:
        self._lengths = lengths or {}

    @classmethod
    def read(cls, cache: RowsCache) -> KnownRows:
        """All entries that tell it; nothing where the cache cannot be read."""
        try:
            entries = cache.entries()
        except OSError:
            return cls()
        found = ((entry.about.get("asked"), _lengths_of(entry.about)) for entry in reversed(entries))
        return cls({asked: lengths for asked, lengths in found if isinstance(asked, str) and lengths is not None})

    def of(self, recipe: Recipe) -> RowLengths | None:
        """Of this recipe's rows; None where they were not tokenized here, or something that they hang on has changed
        since. A dataset or model of the Hub is taken to be what it was."""
        asked = what_is_asked(recipe) if self._lengths else None
        return None if asked is None else self._lengths.get(asked)


def what_is_asked(recipe: Recipe) -> str | None:
    """The same for recipes whose rows are the same, as far as can be told by names, times and sizes of files; None
    where a folder has too many of them. Raises nothing."""
    data = recipe.data.model_dump(mode="json", exclude=AFTERWARDS)
    try:
        paths = [source_path(source) for source in recipe.data.sources]
        for source, path in zip(data["sources"], paths, strict=True):
            if path.exists():
                source["name_or_path"] = [str(path.resolve()), *_versions(path)]
    except (OSError, ValueError, RuntimeError):
        return None
    model = recipe.model
    folder = local_path(model.name_or_path)
    parts = {
        "data": data,
        "model": [str(folder or model.name_or_path), *(_versions(*_tokenizer_of(folder)) if folder else ())],
        "tokens": model.add_tokens,
        "length": min(recipe.training.max_length or model.max_seq_length, model.max_seq_length),
    }
    return fingerprint_of_bytes(json.dumps(parts, sort_keys=True, default=str).encode())


def _tokenizer_of(folder: Path) -> Iterator[Path]:
    return (folder / name for name in TOKENIZER_FILES if (folder / name).is_file())


def _versions(*paths: Path) -> list[tuple[str, int, int]]:
    """Name, time and size of each file. Raises OSError, also for too many."""
    found = []
    for path in _files(paths):
        status = path.stat()
        found.append((path.name, status.st_mtime_ns, status.st_size))
        if len(found) > MOST_FILES:
            raise OSError(f"{path.parent} holds too many files")
    return sorted(found)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (one for one in path.rglob("*") if one.is_file())
        else:
            yield path


def _lengths_of(about: dict[str, Any]) -> RowLengths | None:
    values = [about.get(name) for name in ("rows", "longest", "shortest", "tokens")]
    if not all(isinstance(value, int) and value > 0 for value in values):
        return None
    return RowLengths(*values)  # type: ignore[arg-type]
