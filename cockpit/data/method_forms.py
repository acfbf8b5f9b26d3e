"""The form that rows have for the method that is to be trained by, and what to say where they have none of its forms"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cockpit.data.other_methods import label_column, numbered_columns, pair_columns, ranked_column
from cockpit.data.row_error import Row
from cockpit.data.row_form import METHOD_FORMS, USUAL, Form, parts_by_name
from cockpit.data.shown import listed_names

if TYPE_CHECKING:
    from cockpit.recipe.data import RowFormat
    from cockpit.recipe.methods.method import MethodName

WANTED = {
    "preference": "a better and a worse answer in each row, such as chosen and rejected",
    "ranking": "a list of answers in each row, the best first",
    "prompts": "a prompt in each row, such as prompt or question",
    "labelled": "an answer and whether it is desired in each row, such as completion and label",
}
"""What rows of a form have, in words."""
BETTER_FIRST = ("j", "k")
"""How two answers are told apart of which the first is the better one: response_j, response_k."""


def check_form(file: str, form: RowFormat, method: MethodName) -> None:
    """Raises ValueError with a sentence where `method` does not take rows of the `form` that `file` has."""
    from cockpit.recipe.methods.registry import METHODS

    taken = METHODS[method].forms
    if form in taken:
        return
    others = [name for name, one in METHODS.items() if form in one.forms]
    learnt = f", which {others[0]} learns from and {method} does not" if others else ""
    raise ValueError(
        f"{file} holds rows of the form {form}{learnt}; give rows of the form {' or '.join(taken)}"
        + (f", or {others[0]} as method" if others else "")
    )


def form_of_method(
    file: str,
    rows: list[Row],
    columns: list[str],
    named: Mapping[str, str],
    wanted: RowFormat,
    method: MethodName,
) -> tuple[Form, dict[str, str]]:
    """The form that the rows have of those that `method` alone takes, and the column of each of its parts; `named` are
    those that the recipe names. Raises ValueError with a sentence where they have none."""
    from cockpit.recipe.methods.registry import METHODS

    known = {form.name: form for form in METHOD_FORMS}
    forms = [known[name] for name in METHODS[method].forms if wanted in ("auto", name)]
    for form in forms:
        needed = {part: named[part] for part in form.needs if part in named}
        if len(needed) < len(form.needs):
            needed = dict(zip(form.needs, _found(file, form.name, columns, rows), strict=False))
        if len(needed) == len(form.needs) and (parts := parts_by_name(form, rows, columns, {**named, **needed})):
            return form, parts
    lacks = " or ".join(WANTED[form.name] for form in forms)
    names = " and ".join(f"columns.{part}" for part in forms[0].needs)
    raise ValueError(
        f"{file} has the columns {listed_names(columns)}, and {method} learns from {lacks}; name other columns in "
        f"{names}"
    )


def _found(file: str, form: RowFormat, columns: list[str], rows: list[Row]) -> Sequence[str]:
    """The columns that a form needs, in the order of its needs; none where they are not there."""
    if form == "preference":
        return pair_columns(columns, rows) or _numbered(file, columns, rows)
    if form == "ranking":
        return ranked_column(columns, rows)
    if form == "prompts":
        plain = {name.strip().lower().replace(" ", "_"): name for name in columns}
        usual = (*USUAL["prompt"], *USUAL["messages"])
        return tuple(plain[name] for name in usual if name in plain)[:1]
    return label_column(columns, rows)


def _numbered(file: str, columns: list[str], rows: list[Row]) -> Sequence[str]:
    found = numbered_columns(columns, rows)
    if not found:
        return ()
    if tuple(name.strip().lower()[-1] for name in found) == BETTER_FIRST:
        return found
    raise ValueError(
        f"{file} has several answers in each row ({listed_names(found)}), and nothing says which is the better "
        "one; name it in columns.chosen, and the other in columns.rejected"
    )
