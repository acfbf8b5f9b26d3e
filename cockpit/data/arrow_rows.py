"""Rows of Parquet files and Arrow streams, without the nulls that Arrow fills objects up with"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cockpit.data.row_error import Read, Row
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    import pyarrow as pa

AT_ONCE = 1000
"""Rows that are made of a table at once."""


def parquet_rows(path: Path, name: str) -> Iterator[Read]:
    """The rows of a Parquet file. Raises ValueError where it is none, or damaged."""
    return _numbered(name, "Parquet file", _of_parquet(path))


def arrow_rows(path: Path, name: str) -> Iterator[Read]:
    """The rows of what `save_to_disk` of the datasets library writes. Raises ValueError likewise."""
    return _numbered(name, "Arrow stream", _of_arrow(path))


def null_removers(schema: pa.Schema) -> dict[str, Callable[[Any], Any]]:
    """By column, what takes the keys whose value is null out of the objects in it; flat columns have none.

    In Arrow all objects of a column have the same keys, and those that a row did not have are null: with two tools in a
    column, each call has the arguments of both. So no null in an object says anything, and all are taken out; JSON
    files, which need none, keep theirs, such as the argument `"until": null` of a call. Nulls in lists stay.
    """
    found = {field.name: _remover(field.type) for field in schema}
    return {name: remover for name, remover in found.items() if remover is not None}


def _remover(kind: pa.DataType) -> Callable[[Any], Any] | None:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        inner = {field.name: _remover(field.type) for field in kind}
        nested = {name: remover for name, remover in inner.items() if remover is not None}

        def of_object(value: Any) -> Any:
            if value is None:
                return None
            kept = {key: one for key, one in value.items() if one is not None}
            for name, remover in nested.items():
                if name in kept:
                    kept[name] = remover(kept[name])
            return kept

        return of_object
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if _is_turn(kind.value_type):
            return None
        of_element = _remover(kind.value_type)
        if of_element is not None:
            return lambda value: value if value is None else [of_element(one) for one in value]
    return None


def _is_turn(kind: pa.DataType) -> bool:
    """Whether these are turns of a role and texts alone, whose readers take null for nothing."""
    import pyarrow as pa

    names = {field.name for field in kind} if pa.types.is_struct(kind) else set()
    return bool(names & {"role", "from"}) and not any(pa.types.is_nested(field.type) for field in kind)


def _numbered(name: str, kind: str, parts: Iterator[list[Row]]) -> Iterator[Read]:
    """The rows with their places. Raises ValueError with a sentence where pyarrow cannot read on."""
    import pyarrow as pa

    number = 0
    try:
        for part in parts:
            for row in part:
                number += 1
                yield f"{name} row {number}", row
    except pa.ArrowException as error:
        reason = plain_line(str(error))[:120]
        raise ValueError(f"{name}: it is no complete {kind}, or is damaged after row {number} ({reason})") from None


def _of_parquet(path: Path) -> Iterator[list[Row]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as table:
        removers = null_removers(table.schema_arrow)
        for batch in table.iter_batches(batch_size=AT_ONCE):
            yield _rows(batch, removers)


def _of_arrow(path: Path) -> Iterator[list[Row]]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as mapped, pa.ipc.open_stream(mapped) as batches:
        removers = null_removers(batches.schema)
        for batch in batches:
            batch.validate(full=True)  # of damaged memory pyarrow makes no error but the end of the process
            for start in range(0, batch.num_rows, AT_ONCE):
                yield _rows(batch.slice(start, AT_ONCE), removers)


def _rows(batch: pa.RecordBatch, removers: dict[str, Callable[[Any], Any]]) -> list[Row]:
    rows: list[Row] = batch.to_pylist()
    for name, remover in removers.items():
        for row in rows:
            row[name] = remover(row[name])
    return rows
