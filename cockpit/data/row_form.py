"""Which form rows of data have, told by their columns: turns, alpaca, prompt and completion, text, image and text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.recipe.data import RowFormat

Row = dict[str, Any]

USUAL = {
    "messages": ("messages", "conversations", "conversation", "turns", "chat"),
    "prompt": ("prompt", "instruction", "question", "problem", "query", "input"),
    "input": ("input", "context"),
    "completion": ("completion", "output", "response", "answer", "generated_solution", "solution", "target"),
    "text": ("text", "content"),
    "image": ("image", "images"),
    "system": ("system", "system_prompt"),
    "tools": ("tools", "functions"),
}
"""The usual names of the column for each part of a row, the likeliest first."""


@dataclass(frozen=True)
class _Form:
    """A form: which parts it must have, which it may have, what its first part looks like."""

    name: RowFormat
    needs: tuple[str, ...]
    may_have: tuple[str, ...]
    looks: Callable[[object], bool]
    usual: Mapping[str, tuple[str, ...]]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_turns(*keys: str) -> Callable[[object], bool]:
    def looks(value: object) -> bool:
        turns = value if isinstance(value, list) else []
        return bool(turns) and all(isinstance(turn, dict) and all(key in turn for key in keys) for turn in turns)

    return looks


def _is_text_or_turns(value: object) -> bool:
    return _is_text(value) or _is_turns("role", "content")(value)


def _is_image(value: object) -> bool:
    """A path, a file's bytes, or both as the datasets library keeps them; or a list of one."""
    if isinstance(value, list):
        return len(value) == 1 and _is_image(value[0])
    return isinstance(value, str | bytes) or (isinstance(value, dict) and {"bytes", "path"} & set(value) != set())


_alpaca = USUAL | {"prompt": ("instruction",), "completion": ("output", "response"), "input": ("input", "context")}
_captioned = USUAL | {"text": ("text", "caption", "latex", "content")}
_ASIDE = ("system", "tools", "image")
FORMS = (
    _Form("messages", ("messages",), _ASIDE, _is_turns("role"), USUAL),
    _Form("sharegpt", ("messages",), _ASIDE, _is_turns("from", "value"), USUAL),
    _Form("image_text", ("image",), ("prompt", "completion", "text"), _is_image, _captioned),
    _Form("alpaca", ("prompt", "completion"), ("input", "system"), _is_text, _alpaca),
    _Form("prompt_completion", ("prompt", "completion"), ("system",), _is_text_or_turns, USUAL),
    _Form("text", ("text",), (), _is_text, USUAL),
)
"""The likeliest form first: rows that fit several have the first of them."""
READ = (
    "role/content messages, ShareGPT (from, value), alpaca (instruction, input, output), prompt and completion, "
    "image and text, or text"
)
NAMED = "or say which column is which: columns.prompt and columns.completion, or columns.text"


def form_of(file: str, rows: list[Row], named: dict[str, str], wanted: RowFormat) -> tuple[RowFormat, dict[str, str]]:
    """The form of the rows and the column of each of its parts. `named` are columns that the recipe names itself.

    Raises ValueError with a sentence: which columns there are, and what would do.
    """
    there = [name for row in rows for name in row]
    columns = [name for name in dict.fromkeys(there) if there.count(name) * 2 >= len(rows)]
    for part, name in named.items():
        if name not in columns:
            raise ValueError(f"{file} has no column '{_shown(name)}' for {part}; it has {_listed(columns)}")
    if not named:
        _refuse_other_methods(file, columns)
    fitting = [form for form in FORMS if wanted in ("auto", form.name)]
    for form in fitting:
        parts = _parts(form, rows, columns, named)
        if (
            wanted == "auto"
            and form.name == "alpaca"
            and "prompt" in named
            and parts is not None
            and "input" not in parts
        ):
            continue  # nothing but two columns of other names
        if parts is not None:
            return form.name, parts
    if wanted != "auto":
        needs = " and ".join(f"{part} ({_examples(fitting[0], part)})" for part in fitting[0].needs)
        if wanted == "image_text":
            needs += " and one for what to answer (text or completion)"
        raise ValueError(f"{file} is not {wanted}: that needs a column for {needs}; it has {_described(rows, columns)}")
    hint = f"; {NAMED}" if columns else ""
    raise ValueError(
        f"{file} has a form that is not known: its columns are {_described(rows, columns)}; give {READ}{hint}"
    )


def _parts(form: _Form, rows: list[Row], columns: list[str], named: dict[str, str]) -> dict[str, str] | None:
    """The column of each part of the form; None where the rows do not have it."""
    if any(part not in (*form.needs, *form.may_have) for part in named):
        return None
    found: dict[str, str] = {}
    for part in (*form.needs, *form.may_have):
        free = [name for name in form.usual[part] if name in columns and name not in found.values()]
        name = named.get(part) or next(iter(free), None)
        if name is not None:
            found[part] = name
        elif part in form.needs:
            return None
    if form.name == "image_text" and not {"text", "completion"} & set(found):
        return None
    values = [[row.get(found[part]) for row in rows] for part in form.needs]
    fits = all(sum(map(form.looks, column)) * 2 >= len(rows) for column in values)
    return found if fits else None


def has_images(form: RowFormat, parts: Mapping[str, str], rows: list[Row]) -> bool:
    """Whether rows of this form have images: in a column of their own, or as parts of their turns."""
    if "image" in parts:
        return True
    several = (row.get(parts.get("messages", "")) for row in rows)
    turns = [turn for one in several if isinstance(one, list) for turn in one if isinstance(turn, dict)]
    contents = [turn["content"] for turn in turns if isinstance(turn.get("content"), list)]
    return any(isinstance(part, dict) and part.get("type") == "image" for content in contents for part in content)


def _refuse_other_methods(file: str, columns: list[str]) -> None:
    if {"chosen", "rejected"} <= set(columns):
        raise ValueError(
            f"{file} holds preference data (chosen and rejected answers), which is for methods such as DPO and not for "
            f"sft; give {READ}"
        )


def _examples(form: _Form, part: str) -> str:
    extra = {"messages": ", a list of role and content", "sharegpt": ", a list of from and value"}
    return " or ".join(form.usual[part][:3]) + extra.get(form.name, "")


def _described(rows: list[Row], columns: list[str]) -> str:
    """The columns, and for lists what they are lists of: `conversations (a list of from, value)`."""
    described = []
    for name in columns:
        value = next((row[name] for row in rows if row.get(name) is not None), None)
        described.append(_shown(name) + _inside(value))
    return _listed(described)


def _inside(value: object) -> str:
    if isinstance(value, list):
        keys = [str(key) for key in value[0]][:4] if value and isinstance(value[0], dict) else []
        return f" (a list of {', '.join(map(_shown, keys))})" if keys else " (a list)"
    return " (an object)" if isinstance(value, dict) else ""


def _listed(names: list[str]) -> str:
    shown = [_shown(name) if "(" not in name else name for name in names[:12]]
    return ", ".join(shown) + (f" and {len(names) - 12} more" if len(names) > 12 else "") or "none"


def _shown(name: object) -> str:
    text = plain_line(str(name))
    return text if len(text) <= 40 else text[:39] + "…"
