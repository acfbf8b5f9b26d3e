"""Why rows have none of the forms that are read: which columns there are, which row has what, and what would do"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cockpit.data.row_error import Read, Row, kind_of_value
from cockpit.data.row_form import FORMS, Form, form_of, parts_by_name, share_that_looks
from cockpit.data.row_layout import has_value
from cockpit.data.shown import joined, listed_names, shown_name, shown_value
from cockpit.data.turn_shapes import is_turn, turns_in

if TYPE_CHECKING:
    from cockpit.recipe.data import RowFormat

READ = (
    "role/content messages, ShareGPT (from, value), alpaca (instruction, input, output), prompt and completion, "
    "image and text, or text"
)
NAMED = "or say which column is which: columns.prompt and columns.completion, or columns.text"


def why_no_form(file: str, sample: list[Read], columns: list[str], named: Mapping[str, str], wanted: RowFormat) -> str:
    """A sentence for rows that `form_of` knows no form of, `wanted` or any. `file` is what it calls their source."""
    rows = [row for _, row in sample]
    forms = [form for form in FORMS if wanted in ("auto", form.name)]
    for form in forms:
        parts = parts_by_name(form, rows, columns, named)
        if parts is None:
            continue
        other = form_of(rows, columns, named, "auto")
        if other is not None:
            return f"{file} is not {wanted} but {other[0].name}; give that as format, or auto"
        return _misfit(file, form, parts, sample)
    if wanted != "auto":
        form = forms[0]
        needs = " and ".join(f"{part} ({_examples(form, part)})" for part in form.needs)
        if wanted == "image_text":
            needs += " and one for what to answer (text or completion)"
        return f"{file} is not {wanted}: that needs a column for {needs}; it has {_described(rows, columns)}"
    inside = _rows_inside(sample, columns)
    if inside:
        return f"{file} holds one object, and its rows seem to stand in {shown_name(inside)}; give that list alone"
    hint = f"; {NAMED}" if columns else ""
    return f"{file} has a form that is not known: its columns are {_described(rows, columns)}; give {READ}{hint}"


def turn_a_row(file: str, sample: list[Read]) -> str:
    """A sentence where each row is a turn of a conversation; empty where it is not so."""
    turns = [row for _, row in sample if is_turn(row)]
    if len(turns) * 2 < len(sample):
        return ""
    keys = listed_names(turns[0])
    return (
        f"{file} holds a turn a row ({keys}), and which turns are one conversation is not told; put them together: "
        'a row is {"messages": [turn, turn, ...]}'
    )


def _misfit(file: str, form: Form, parts: Mapping[str, str], sample: list[Read]) -> str:
    """Its columns are right, and what stands in one of them is not."""
    rows = [row for _, row in sample]
    part = min(form.needs, key=lambda part: share_that_looks(form, parts[part], rows))
    column = parts[part]
    wrong = [(where, row.get(column)) for where, row in sample if not form.looks(row.get(column))]
    where, value = next((one for one in wrong if has_value(one[1])), wrong[0])
    is_what, instead = _wrong_turns(value) if part == "messages" else _wrong_value(form, part, value)
    of_form = listed_names(parts[part] for part in form.needs)
    many = f"{len(wrong):,} of the first {len(sample):,} rows, such as {where}," if len(sample) > 1 else where
    name = shown_name(column)
    return f"{file} has the columns of {form.name} ({of_form}), but in {many} {name} is {is_what}; {instead}"


def _wrong_value(form: Form, part: str, value: object) -> tuple[str, str]:
    """What the value is, and what would do."""
    if not has_value(value):
        return "empty", "give each row one, or name the column that has it"
    kind = kind_of_value(value) + shown_value(value)
    if part == "image":
        return kind, "give the path of an image, or the bytes of its file"
    if isinstance(value, bool | int | float):
        return kind, f'write it as text: "{value}"'
    right = "text, or a list of role/content turns" if form.name == "prompt_completion" else "text"
    return kind, f"give {right}, or name the column that has it: columns.{part}"


def _wrong_turns(value: object) -> tuple[str, str]:
    if not has_value(value):
        return "empty", "give each row a list of turns"
    turns = turns_in(value)
    if isinstance(value, str):
        if turns is None and value.lstrip()[:2] in ("[{", "[["):
            return "a list as Python prints it, which is no JSON", "write the column with json.dumps"
        if turns is None:
            return "text that is no JSON list of turns", "give a list of role/content turns"
    if not turns:
        return kind_of_value(value) + shown_value(value), "give a list of role/content turns"
    first = next((turn for turn in turns if not isinstance(turn, dict)), turns[0])
    if not isinstance(first, dict):
        return f"a list of {_several(first)}", 'give each turn a role: {"role": "user", "content": ...}'
    keys = next((list(turn) for turn in turns if not is_turn(turn)), list(first))
    return f"a list of turns with the keys {listed_names(keys)}", "a turn has role and content, or from and value"


def _several(value: object) -> str:
    return "texts" if isinstance(value, str) else "lists" if isinstance(value, list) else "values that are no turns"


def _rows_inside(sample: list[Read], columns: list[str]) -> str | None:
    """The column of the only row that seems to hold all rows."""
    if len(sample) != 1:
        return None
    row = sample[0][1]
    return next((name for name in columns if _is_table(row.get(name))), None)


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and len(one) > 1 for one in value)


def _examples(form: Form, part: str) -> str:
    extra = {"messages": ", a list of role and content", "sharegpt": ", a list of from and value"}
    return " or ".join(form.usual[part][:3]) + extra.get(form.name, "")


def _described(rows: list[Row], columns: list[str]) -> str:
    """The columns, and for lists what they are lists of: `conversations (a list of from, value)`."""
    described = []
    for name in columns:
        value = next((row[name] for row in rows if row.get(name) is not None), None)
        described.append(shown_name(name) + _inside(value))
    return joined(described)


def _inside(value: object) -> str:
    if isinstance(value, list):
        keys = [str(key) for key in value[0]][:4] if value and isinstance(value[0], dict) else []
        return f" (a list of {', '.join(map(shown_name, keys))})" if keys else " (a list)"
    return " (an object)" if isinstance(value, dict) else ""
