"""RowLayouts: which columns of a row play which part, told by its keys, which may differ from row to row"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cockpit.data.row_form import form_named

INDEX = re.compile(r"Unnamed: \d+|__index_level_\d+__")
"""Columns that pandas writes its index into."""
LABELS = ("label", "kto_tag", "desirable", "is_desirable")
"""Columns that say whether an answer is desired."""
MOST_LAYOUTS = 1000


@dataclass(frozen=True, slots=True)
class RowLayout:
    """`columns` has the column of each part that the row has, `spare` are the columns that play none."""

    columns: Mapping[str, str]
    spare: tuple[str, ...]
    label: str | None = None
    """The column that says whether the answer is desired."""
    by_values: bool = False
    """Whether several columns may play one part: the first that has a value does."""


class RowLayouts:
    """The layouts of the rows of one source."""

    def __init__(self, form: str, columns: Mapping[str, str], named: Iterable[str] = ()) -> None:
        """`columns` are those that `form_of` has found; of these the parts `named` are the recipe's own, which no
        other column can play."""
        self._form = form_named(form)
        named = set(named)
        self._fixed = {
            part: name
            for part, name in columns.items()
            if part in self._form.needs or part in named or self._form.is_settled
        }
        self._found = columns
        self._by_keys: dict[tuple[str, ...], RowLayout] = {}

    def of(self, row: Mapping[str, Any]) -> RowLayout:
        """The layout of a row."""
        keys = tuple(row)
        layout = self._by_keys.get(keys) or self._of_keys(keys)
        return self._of_keys(tuple(key for key in row if has_value(row[key]))) if layout.by_values else layout

    def _of_keys(self, keys: tuple[str, ...]) -> RowLayout:
        layout = self._by_keys.get(keys)
        if layout is None:
            if len(self._by_keys) >= MOST_LAYOUTS:  # rows whose columns are their values
                self._by_keys.clear()
            layout = self._by_keys[keys] = self._laid_out(keys)
        return layout

    def _laid_out(self, keys: tuple[str, ...]) -> RowLayout:
        columns, by_values = dict(self._fixed), False
        for part in self._form.may_have:
            if part in columns:
                continue
            usual = self._form.columns_for(part, keys)
            found = [self._found[part]] if self._found.get(part) in keys else []
            free = [name for name in dict.fromkeys([*found, *usual]) if name not in columns.values()]
            if free and (part in self._found or not self._form.is_settled):
                columns[part] = free[0]
                by_values = by_values or len(free) > 1
        spare = tuple(key for key in keys if key not in columns.values())
        label = next((key for key in spare if key.lower() in LABELS), None) if self._form.has_answers else None
        return RowLayout(columns, spare, label, by_values)


def has_value(value: Any) -> bool:
    """Whether something stands there: not null, not NaN, no blank text, no empty list or object."""
    if isinstance(value, str):
        return value != "" and not value.isspace()
    if value is None or (isinstance(value, float) and value != value):
        return False
    return bool(value) if isinstance(value, list | dict) else True
