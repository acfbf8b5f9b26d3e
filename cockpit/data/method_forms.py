"""Whether a method of training takes rows of a form"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.recipe.data import RowFormat
    from cockpit.recipe.methods.method import MethodName


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
