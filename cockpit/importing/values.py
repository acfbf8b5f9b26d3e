"""What the reader of a program knows of its values without running it"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import Any, Protocol


@dataclass(frozen=True)
class Unknown:
    """A value that only the running program has; `source` is the code that makes it."""

    source: str

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True)
class Symbol:
    """A name of a library, such as torch.float16 or is_bfloat16_supported()."""

    name: str

    def __str__(self) -> str:
        return self.name


def unknown(node: ast.AST) -> Unknown:
    """The value of an expression that is not known."""
    try:
        return Unknown(ast.unparse(node))
    except RecursionError:
        return Unknown("a long expression")


class Evaluator(Protocol):
    """Who knows what the program's expressions are."""

    def value(self, node: ast.expr) -> Any:
        """What the expression is known to be."""
        ...


@dataclass
class Record:
    """Values under names: arguments of a command line, fields of a class or of an object, and the class's methods."""

    fields: dict[str, Any]
    methods: dict[str, ast.AST] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceRows:
    """One dataset, as far as the program tells of it: fields of a recipe's source by their names, and the line where it
    is read."""

    fields: dict[str, Any]
    line: int

    def having(self, **fields: Any) -> SourceRows:
        """The same dataset with more fields."""
        return replace(self, fields={**self.fields, **fields})


@dataclass(frozen=True)
class Rows:
    """Rows of one or several datasets. `of_data`: what making them has set for all, such as the seed of shuffling, and
    `part` and `eval_share` of rows that were split; `lost`: what was done to them and is not carried over, with the
    line and why; `notes`: what need not be."""

    sources: tuple[SourceRows, ...]
    of_data: dict[str, Any] = field(default_factory=dict)
    lost: tuple[tuple[str, int, str], ...] = ()
    notes: tuple[tuple[str, int, str], ...] = ()

    def each(self, **fields: Any) -> Rows:
        """All datasets with more fields."""
        return replace(self, sources=tuple(one.having(**fields) for one in self.sources))

    def with_data(self, **fields: Any) -> Rows:
        return replace(self, of_data={**self.of_data, **fields})

    def without(self, what: str, line: int, why: str) -> Rows:
        return replace(self, lost=(*self.lost, (what, line, why)))

    def noting(self, what: str, line: int, why: str) -> Rows:
        return replace(self, notes=(*self.notes, (what, line, why)))


@dataclass(frozen=True)
class Count:
    """The number of some rows, times a factor."""

    rows: Rows
    factor: float = 1.0


@dataclass(frozen=True)
class Call:
    """A call of the program: what is called (FastModel.from_pretrained), its line, its arguments."""

    name: str
    line: int
    args: tuple[Any, ...]
    keywords: dict[str, Any]

    @property
    def last(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]


def rows_in(*values: Any) -> Rows | None:
    """The rows that the values are, or hold, put together in order, each dataset once; None where they hold none."""
    found: list[Rows] = []
    for value in values:
        _collect(value, found, 0)
    if not found:
        return None
    joined = found[0]
    for one in found[1:]:
        places = [(source.fields.get("name_or_path"), source.line) for source in joined.sources]
        more = tuple(s for s in one.sources if (s.fields.get("name_or_path"), s.line) not in places)
        joined = Rows(
            joined.sources + more,
            {**joined.of_data, **one.of_data},
            tuple(dict.fromkeys(joined.lost + one.lost)),
            tuple(dict.fromkeys(joined.notes + one.notes)),
        )
    return joined


def _collect(value: Any, found: list[Rows], depth: int) -> None:
    if isinstance(value, Rows):
        found.append(value)
    elif isinstance(value, dict) and depth < 4:
        for one in value.values():
            _collect(one, found, depth + 1)
    elif isinstance(value, list | tuple) and depth < 4:
        for one in value:
            _collect(one, found, depth + 1)
