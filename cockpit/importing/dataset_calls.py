"""Calls that read rows and make others of them: datasets, pandas, Unsloth's helpers"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from cockpit.importing.formatting import formatted
from cockpit.importing.values import Call, Count, Evaluator, Rows, SourceRows, Symbol, Unknown, rows_in, unknown

FILES = (".json", ".jsonl", ".csv", ".parquet", ".txt")
READERS = {"read_json", "read_csv", "read_parquet", "from_json", "from_csv", "from_parquet", "from_text",
           "load_from_disk", "open"}  # fmt: skip
BUILDERS = ("json", "csv", "parquet", "text")
STANDARDIZERS = ("standardize_sharegpt", "standardize_data_formats")
LENGTHS = ("len", "int", "round", "floor", "ceil", "min", "max")
LEFT_ALONE = {"with_format", "set_format", "to_pandas", "to_list", "flatten", "flatten_indices", "reset_index",
              "tolist",
              "append", "extend", "head", "save_to_disk", "push_to_hub", "cast_column", "cast", "remove_columns",
              "select_columns", "add_column", "rename_column", "rename_columns", "to_json", "to_csv", "sort_values",
              "apply", "keys", "items", "values", "copy", "dropna", "get", "join", "format", "strip"}  # fmt: skip
"""Methods of rows after which they are, for a recipe, the rows that they were."""


def plain_call(call: Call, holder: Any, node: ast.Call) -> Any:
    """What a call gives that is no method of rows; None where that is not known."""
    if call.last == "load_dataset":
        return _loaded(call)
    if call.last in READERS and (place := _path(call)) is not None:
        return Rows((SourceRows({"name_or_path": place}, call.line),))
    if call.last in ("getenv", "get") and call.name in ("os.getenv", "os.environ.get"):
        return call.args[1] if len(call.args) > 1 else call.keywords.get("default", unknown(node))
    if call.last in LENGTHS:
        return _number(call, node)
    if call.last in ("str", "Path") and len(call.args) == 1 and isinstance(call.args[0], str):
        return call.args[0]
    if call.name in ("dict", "SimpleNamespace") and not call.args:
        return dict(call.keywords)
    if call.last == "range" and len(call.args) == 1:
        return call.args[0]
    if call.name == "os.path.join" and all(isinstance(one, str) for one in call.args):
        return str(PurePath(*call.args))
    if isinstance(holder, str) and call.last in ("strip", "lower", "upper", "rstrip", "lstrip") and not call.args:
        return getattr(holder, call.last)()
    if isinstance(holder, str) and call.last == "split" and len(call.args) <= 1:
        return holder.split(*call.args)
    if isinstance(holder, list) and call.last in ("append", "extend") and call.args:
        holder.extend(call.args[0] if call.last == "extend" and isinstance(call.args[0], list) else [call.args[0]])
        return None
    rows = rows_in(*call.args, *call.keywords.values())
    if rows is None:
        return _symbol(call, node)
    if call.last in STANDARDIZERS:
        return rows.each(format="sharegpt")
    if call.last == "interleave_datasets":
        return _interleaved(rows, call)
    return rows


def _symbol(call: Call, node: ast.Call) -> Any:
    """A call without arguments that tells of the machine, such as is_bfloat16_supported(), keeps its name."""
    named = call.last in ("is_bfloat16_supported", "is_bf16_supported")
    return Symbol(call.last) if named else unknown(node)


def _number(call: Call, node: ast.Call) -> Any:
    value = call.args[0] if call.args else None
    if call.last == "len" and isinstance(value, Rows):
        return Count(value)
    if call.last in ("min", "max") and any(isinstance(one, Count) for one in call.args):
        return next((one for one in call.args if isinstance(one, int)), unknown(node))
    if isinstance(value, Count):
        return value
    if call.last == "len" and isinstance(value, str | list | tuple | dict):
        return len(value)
    if call.last in ("int", "round") and isinstance(value, int | float | str) and len(call.args) == 1:
        return int(float(value)) if call.last == "int" else round(float(value))
    return unknown(node)


def _loaded(call: Call) -> Any:
    names = {**dict(zip(("path", "name"), call.args, strict=False)), **call.keywords}
    path, files = names.get("path"), names.get("data_files")
    fields: dict[str, Any] = {}
    lost: list[tuple[str, int, str]] = []
    several = files if isinstance(files, dict) else {}
    if isinstance(files, dict):
        split = names.get("split", "train")
        files = files.get(split, files.get("train", next(iter(files.values()), None)))
        names = {**names, "split": names.get("split") if path not in BUILDERS else None}
    if isinstance(files, list | tuple) and len(files) == 1:
        files = files[0]
    if isinstance(path, str) and path in BUILDERS and isinstance(files, str):
        fields["name_or_path"] = files
    elif isinstance(path, str):
        fields["name_or_path"] = path
        if isinstance(files, str):
            fields["file"] = files
    else:
        fields["name_or_path"] = path if path is not None else Unknown("load_dataset()")
    if isinstance(files, list | tuple):
        lost.append(
            ("load_dataset(data_files)", call.line, "a source has one file; give each file a source of its own")
        )
    if isinstance(names.get("name"), str):
        fields["subset"] = names["name"]
    if isinstance(names.get("data_dir"), str):
        fields["subset"] = names["data_dir"]
    split = names.get("split")
    if isinstance(split, str):
        fields["split"] = split
    if names.get("revision") is not None:
        lost.append(("load_dataset(revision)", call.line, "the newest rows of a Hub dataset are taken"))
    notes = [("load_dataset(streaming)", call.line, "rows are read to the end before training, and kept on disk")]
    streams = names.get("streaming") is True
    if len(several) > 1:
        fields["files"] = several
    return Rows((SourceRows(fields, call.line),), {}, tuple(lost), tuple(notes) if streams else ())


def _path(call: Call) -> str | None:
    names = [name for name in ("path_or_buf", "filepath_or_buffer", "path_or_paths") if name in call.keywords]
    value = call.args[0] if call.args else call.keywords[names[0]] if names else None
    is_file = isinstance(value, str) and (PurePath(value).suffix in FILES or call.last == "load_from_disk")
    return value if is_file else None


def _interleaved(rows: Rows, call: Call) -> Rows:
    """interleave_datasets: shares of the first source."""
    shares = call.keywords.get("probabilities")
    if not isinstance(shares, list) or len(shares) != len(rows.sources):
        return rows.without("interleave_datasets", call.line, "the rows of several sources are put together whole")
    sources = [rows.sources[0], *(one.having(ratio=share / shares[0]) for one, share in
                                  zip(rows.sources[1:], shares[1:], strict=True))]  # fmt: skip
    return Rows(tuple(sources), rows.of_data, rows.lost, rows.notes)


def call_on_rows(
    rows: Rows,
    call: Call,
    node: ast.Call,
    function_of: Callable[[ast.expr | None], ast.AST | None],
    evaluator: Evaluator,
) -> Any:
    """What a method of rows gives."""
    first = call.args[0] if call.args else None
    if call.last == "map":
        given = node.args[0] if node.args else next((one.value for one in node.keywords if one.arg == "function"), None)
        function = function_of(given)
        told = None if function is None else formatted(rows, function, evaluator, call.line)
        return told if told is not None else rows
    if call.last == "shuffle":
        seed = call.keywords.get("seed", first)
        return rows.with_data(seed=seed) if isinstance(seed, int) and not isinstance(seed, bool) else rows
    if call.last in ("select", "take"):
        return _first_rows(rows, first, call)
    if call.last == "sample":
        return _sampled(rows, call)
    if call.last == "filter":
        return rows.without("filter", call.line, "cockpit leaves rows out by duplicates and by length; filter the file")
    if call.last == "train_test_split":
        size = call.keywords.get("test_size", first if first is not None else 0.25)
        seed = call.keywords.get("seed")
        held = rows.with_data(share=size)
        return held.with_data(seed=seed) if isinstance(seed, int) else held
    if call.last in LEFT_ALONE:
        return rows if call.last not in ("head",) else rows.each(max_rows=first or 5)
    return rows_in(rows, *call.args) or rows


def _first_rows(rows: Rows, first: Any, call: Call) -> Rows:
    """select(range(n)): the first n rows, which are what a source takes at most."""
    if isinstance(first, Count):
        return rows
    if isinstance(first, int):
        return rows.each(max_rows=first)
    return rows.without(call.last, call.line, "a source takes its first rows (max_rows), and no others")


def _sampled(rows: Rows, call: Call) -> Rows:
    """pandas' sample: so many rows, or so many for each row of others, which is the source's ratio."""
    count = call.args[0] if call.args else call.keywords.get("n", call.keywords.get("frac"))
    seed = call.keywords.get("random_state")
    if isinstance(count, Count):
        rows = rows.each(ratio=round(count.factor, 9))
    elif isinstance(count, int):
        rows = rows.each(max_rows=count)
    elif isinstance(count, float) and count == 1:
        pass
    else:
        rows = rows.without("sample", call.line, "a source takes its first rows, or a share of another source's rows")
    return rows.with_data(seed=seed) if isinstance(seed, int) else rows
