"""The part of the script that reads, renders, tokenizes, masks, cuts, mixes and packs the rows"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

from cockpit.data.files import recognise, rows_of, split_files
from cockpit.ejecting import rows_code as code
from cockpit.ejecting.layout import literal
from cockpit.ejecting.sides_rows import encode_sides, encoder_name
from cockpit.ejecting.sides_rows import reader as reader_of_sides
from cockpit.ejecting.training_part import is_packed
from cockpit.paths import located
from cockpit.recipe.data import Source
from cockpit.recipe.recipe import Recipe

LARGEST_LOOKED_AT = 64 * 1024 * 1024
LOOKED_AT = 2_000
"""Rows that are looked at before a script is written."""
IN_TURNS = ("prompt", "completion", "chosen", "rejected")
AS_TEXT = ("[{", "Human:", "Assistant:")
"""What a text begins with that turns are found in."""
PLAIN_KEYS = {"role", "content", "from", "value"}
USUAL_COLUMNS = {
    "messages": {"messages": "messages"},
    "sharegpt": {"messages": "conversations"},
    "alpaca": {"prompt": "instruction", "input": "input", "completion": "output"},
    "prompt_completion": {"prompt": "prompt", "completion": "completion"},
    "text": {"text": "text"},
    "preference": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
    "labelled": {"prompt": "prompt", "completion": "completion", "label": "label"},
}
"""Of datasets that are not on this disk, whose columns cannot be looked at."""


class UnreadableRows(Exception):
    """No script can be written for the rows; the text says why, and what would do."""


def rows_lines(recipe: Recipe) -> list[str]:
    """From files and datasets to `train_rows` and, where rows are held out, `measured_rows`. Raises UnreadableRows."""
    data = recipe.data
    sources = data.mixed().sources
    forms = [_form(source, recipe) for source in sources]
    measured = data.validating()
    own = [(source, _form(source, recipe)) for source in (measured.sources if measured else [])]
    has_texts = any(form == "text" for form, _ in [*forms, *(form for _, form in own)])
    has_talk = any(form != "text" for form, _ in [*forms, *(form for _, form in own)])
    lines: list[str] = []
    if has_talk:
        lines += _roles(recipe) + (code.RENDER + code.CHECKED + code.answers(recipe)).splitlines()
    if recipe.kind.has_sides:
        form = forms[0][0]
        if any(other != form for other, _ in [*forms, *(found for _, found in own)]):
            raise UnreadableRows("there is no script for pairs and marked answers together; give sources of one form.")
        rows_of_sides = code.ROWS_OF_SIDES.replace("{encode}", f"{encoder_name(recipe, form)}(content_of(one))")
        lines += (code.TOKENS + encode_sides(recipe, form) + rows_of_sides).splitlines()
    else:
        lines += code.encode(recipe, has_texts=has_texts, has_talk=has_talk).splitlines()
    everything = [*zip(sources, forms, strict=True), *own]
    if any("read_json(" in _loaded(source) for source, _ in everything):
        lines += code.READ_JSON.splitlines()
    names = [f"content_{number + 1}" for number in range(len(everything))]
    if len(names) == 1:
        names = ["sides_of" if recipe.kind.has_sides else "turns_of"]
    for (_, (form, columns)), name in zip(everything, names, strict=True):
        made = reader_of_sides(name, form, columns) if recipe.kind.has_sides else code.reader(name, form, columns)
        lines += [*made.splitlines(), "", ""]
    lines += _gathered(recipe, sources, names)
    if own:
        lines.append(f"measured = rows_of({_loaded(own[0][0])}{_first(own[0][0])}, {names[-1]})")
    lines += code.choice(recipe, several=len(sources) > 1).splitlines()
    lines.append("train_rows = Dataset.from_list(packed(train))" if is_packed(recipe) else
                 "train_rows = Dataset.from_list(train)")  # fmt: skip
    if data.holds_out:
        lines.append("measured_rows = Dataset.from_list(measured)")
    lines.append('print(f"{len(train):,} rows to train on")')
    return lines


def _form(source: Source, recipe: Recipe) -> tuple[str, dict[str, str]]:
    """The form of the rows, and the column of each part. Raises UnreadableRows."""
    path = located(source.name_or_path)
    if path is None or not path.exists():
        named = {part: name for part, name in source.columns if name is not None}
        return source.format, {**USUAL_COLUMNS.get(source.format, {}), **named}
    try:
        found = recognise(path, source.columns, source.format, source.split, recipe.method)
    except (ValueError, OSError) as error:
        raise UnreadableRows(f"{error}.") from error
    if found.has_images or "tools" in found.columns or "history" in found.columns or "reasoning" in found.columns:
        parts = ", ".join(part for part in ("tools", "history", "reasoning") if part in found.columns) or "images"
        raise UnreadableRows(f"{path.name}: there is no script for rows with {parts}; give rows without.")
    for file in split_files(path, source.split):
        if not _is_plain_json(file):
            raise UnreadableRows(f"{file.name} is neither a list of rows nor a row a line; write it as JSON Lines.")
    if strange := _strange(path, source, found.columns):
        raise UnreadableRows(f"{path.name}: there is no script for rows with {strange}; give rows of plain turns.")
    return found.form, found.columns


def _is_plain_json(file: Path) -> bool:
    """Whether the script's way to read JSON reads the file; other kinds of files and very large ones are taken to be
    as they are called."""
    if not file.suffix.lower().startswith((".json", ".ndjson")) or file.stat().st_size > LARGEST_LOOKED_AT:
        return True
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        rows = (
            json.loads(text)
            if text.lstrip().startswith("[")
            else [json.loads(line) for line in text.split("\n") if line.strip()]
        )
    except ValueError:
        return False
    return all(isinstance(row, dict) for row in rows)


def _strange(path: Path, source: Source, columns: Mapping[str, str]) -> str:
    """What a script does not read of the first rows; empty where it reads all of them."""
    has_sides = "chosen" in columns or "label" in columns
    for _, row in itertools.islice(rows_of(path, source.split, lambda _: None), LOOKED_AT):
        for part, column in columns.items():
            value = row.get(column)
            if part in ("prompt", "completion") and not has_sides and isinstance(value, list | dict):
                return "turns in a column of their own"
            if isinstance(value, list) and part == "prompt" and "input" in columns:
                return "an input beside turns"
            if part in ("chosen", "rejected") and isinstance(value, str) and not {"prompt", "messages"} & set(columns):
                return "answers that no prompt stands before"
            if part in IN_TURNS and isinstance(value, str) and value.lstrip().startswith(AS_TEXT):
                return "turns that are written as one text"
            if isinstance(value, list) and part in (*IN_TURNS, "messages"):
                keys = {str(key) for turn in value if isinstance(turn, dict) for key in turn}
                if more := keys - PLAIN_KEYS:
                    return f"{', '.join(sorted(more))} in their turns"
                words = [turn.get("content", turn.get("value")) for turn in value if isinstance(turn, dict)]
                if any(isinstance(one, list | dict) for one in words):
                    return "parts in their turns"
            elif part == "messages" and value is not None and not ("chosen" in columns and isinstance(value, str)):
                return "turns that are written as one text"
    return ""


def _roles(recipe: Recipe) -> list[str]:
    """Whose turns those of other names are."""
    own = [f"    {literal(name)}: {literal(role)}," for name, role in recipe.data.roles.items()]
    names = ["system", "user", "assistant"]
    lines = ["ROLES = {", *(f"    {literal(name)}: {literal(name)}," for name in names)]
    others = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant"}
    return [*lines, *(f"    {literal(name)}: {literal(role)}," for name, role in others.items()), *own, "}"]


def _gathered(recipe: Recipe, sources: list[Source], names: list[str]) -> list[str]:
    """Reads the sources, draws from those that have a ratio, and puts them together."""
    lines = ["", ""]
    seed = recipe.data.seed
    listed = [f"{_loaded(source)}{_first(source)}" for source in sources]
    if len(sources) == 1:
        return [*lines, f"rows = rows_of({listed[0]}, {names[0]})"]
    for number, one in enumerate(listed, 1):
        lines.append(f"source_{number} = {one}")
    drawn = [(number, source) for number, source in enumerate(sources, 1) if source.ratio is not None]
    whole = " + ".join(f"len(source_{number})" for number, one in enumerate(sources, 1) if one.ratio is None)
    for number, source in drawn:
        lines += [
            f"# {source.ratio:.12g} rows for each row of the source that is taken whole",
            f"count = min(int(({whole}) * {source.ratio!r}), len(source_{number}))",
            f"drawn = np.random.RandomState({seed}).choice(len(source_{number}), size=count, replace=False)",
            f"source_{number} = [source_{number}[at] for at in sorted(drawn)]",
        ]
    gathered = [f"*rows_of(source_{number}, {name})" for number, name in enumerate(names[: len(sources)], 1)]
    return [*lines, f"rows = [{', '.join(gathered)}]"]


def _first(source: Source) -> str:
    return f"[:{source.max_rows}]" if source.max_rows is not None else ""


def _loaded(source: Source) -> str:
    """The code that gives the source's rows as a list."""
    path = located(source.name_or_path)
    if path is None or not path.exists():
        named = [literal(source.name_or_path)]
        named += [literal(source.subset)] if source.subset else []
        named += [f"data_files={literal(source.file)}"] if source.file else []
        return f"list(load_dataset({', '.join(named)}, split={literal(source.split)}))"
    files = split_files(path, source.split)
    several = [_file(file) for file in files]
    return several[0] if len(several) == 1 else f"({' + '.join(several)})"


def _file(file: Path) -> str:
    place = literal(str(file.absolute()))
    match file.suffix.lower():
        case ".json" | ".jsonl" | ".ndjson":
            return f"read_json({place})"
        case ".csv" | ".tsv":
            separator = literal("\t" if file.suffix.lower() == ".tsv" else ",")
            return f"list(csv.DictReader(open({place}, newline='', encoding='utf-8'), delimiter={separator}))"
        case ".parquet":
            return f"list(load_dataset('parquet', data_files={place}, split='train'))"
    raise UnreadableRows(
        f"{file.name}: there is no script for {file.suffix} files; give JSON Lines with a text column."
    )
