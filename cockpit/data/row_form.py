"""Which form rows of data have, told by their columns: turns, alpaca, prompt and completion, text, image and text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cockpit.data.row_error import Row
from cockpit.data.turn_shapes import is_keyed_turn, is_turn_pair, turns_in

if TYPE_CHECKING:
    from cockpit.recipe.data import RowFormat


def _scores(answer: str) -> tuple[str, ...]:
    return tuple(name.format(answer) for name in ("score_{}", "{}_score", "{}_rating", "rating_{}", "{}_avg_rating"))


USUAL = {
    "messages": ("messages", "conversations", "conversation", "turns", "chat", "dialogue", "dialog"),
    "prompt": ("prompt", "instruction", "question", "problem", "query", "input", "inputs", "user", "human"),
    "input": ("input", "context"),
    "history": ("history",),
    # A worked solution is trained where there is one, and never the bare answer that stands beside it.
    "completion": (
        "completion", "output", "response", "generated_solution", "solution", "answer", "target", "targets",
        "assistant",
    ),
    "reasoning": (
        "reasoning", "reasoning_content", "thinking", "thought", "thoughts", "thinking_content", "reasoning_trace",
        "thinking_trajectory", "deepseek_thinking_trajectory", "complex_cot", "chain_of_thought", "cot", "rationale",
    ),
    "text": ("text", "content"),
    "image": ("image", "images"),
    "chosen": ("chosen",),
    "rejected": ("rejected",),
    "ranked": ("ranked",),
    "label": ("label", "kto_tag", "desirable", "is_desirable"),
    "chosen_score": _scores("chosen"),
    "rejected_score": _scores("rejected"),
    "system": ("system", "system_prompt", "system_message"),
    "tools": ("tools", "functions"),
}  # fmt: skip
"""The usual names of the column for each part of a row, the likeliest first. Capitals and blanks make no difference."""


@dataclass(frozen=True)
class Form:
    """A form: which parts it must have, which it may have, what its needed parts look like."""

    name: RowFormat
    needs: tuple[str, ...]
    may_have: tuple[str, ...]
    looks: Callable[[object], bool]
    usual: Mapping[str, tuple[str, ...]]

    @property
    def is_settled(self) -> bool:
        """Whether the first rows tell which parts all rows have."""
        return self.name == "image_text"

    @property
    def has_answers(self) -> bool:
        """Whether its rows hold questions and answers."""
        return self.name in ("messages", "sharegpt", "alpaca", "prompt_completion")

    def columns_for(self, part: str, columns: Iterable[str]) -> list[str]:
        """Those of `columns` that usually play the part, the likeliest first."""
        names = self.usual[part]
        found = [(names.index(usual), name) for name in columns if (usual := _plain(name)) in names]
        return [name for _, name in sorted(found, key=lambda one: one[0])]


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _is_any(value: object) -> bool:
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_messages(value: object) -> bool:
    """Turns of any shape, but for those that are all ShareGPT's."""
    turns = turns_in(value) or []
    shapes = [_is_from_value(turn) for turn in turns]
    return not all(shapes) and all(is_shared or _is_turn(turn) for is_shared, turn in zip(shapes, turns, strict=True))


def _is_sharegpt(value: object) -> bool:
    turns = turns_in(value) or []
    return bool(turns) and all(map(_is_from_value, turns))


def _is_from_value(turn: object) -> bool:
    return isinstance(turn, dict) and "from" in turn and ("value" in turn or "content" in turn)


def _is_turn(turn: object) -> bool:
    return isinstance(turn, dict) and ("role" in turn or is_keyed_turn(turn) or is_turn_pair(turn))


def _is_text_or_turns(value: object) -> bool:
    turns = [value] if isinstance(value, dict) else value
    return _is_text(value) or _is_messages(turns) or _is_sharegpt(turns)


def _is_image(value: object) -> bool:
    """A path, a file's bytes, or both as the datasets library keeps them; or a list of one."""
    if isinstance(value, list):
        return len(value) == 1 and _is_image(value[0])
    return isinstance(value, str | bytes) or (isinstance(value, dict) and {"bytes", "path"} & set(value) != set())


_answers = ("output", "response", *(one for one in USUAL["completion"] if one not in ("output", "response")))
_inputs = (*USUAL["input"], "question", "query", "problem")
_alpaca = USUAL | {"prompt": ("instruction",), "input": _inputs, "completion": _answers}
_captioned = USUAL | {"text": ("text", "caption", "latex", "content")}
_BESIDE_TURNS = ("system", "tools", "image")
_BESIDE_ANSWERS = ("input", "history", "system", "reasoning", "tools", "image")
FORMS = (
    Form("messages", ("messages",), _BESIDE_TURNS, _is_messages, USUAL),
    Form("sharegpt", ("messages",), _BESIDE_TURNS, _is_sharegpt, USUAL),
    Form("image_text", ("image",), ("prompt", "completion", "text"), _is_image, _captioned),
    Form("alpaca", ("prompt", "completion"), _BESIDE_ANSWERS, _is_text, _alpaca),
    Form("prompt_completion", ("prompt", "completion"), _BESIDE_ANSWERS, _is_text_or_turns, USUAL),
    Form("text", ("text",), (), _is_text, USUAL),
)
"""The likeliest form first: rows that fit several have the first of them."""
_BESIDE_SIDES = ("prompt", "messages", "input", "history", "system", "tools")
METHOD_FORMS = (
    Form("preference", ("chosen", "rejected"), (*_BESIDE_SIDES, "chosen_score", "rejected_score"), _is_any, USUAL),
    Form("ranking", ("ranked",), _BESIDE_SIDES, _is_any, USUAL),
    Form("prompts", ("prompt",), ("system",), _is_any, USUAL),
    Form("labelled", ("label",), ("messages", "prompt", "completion", *_BESIDE_ANSWERS[:-1]), _is_any, USUAL),
)
"""Forms that other methods than sft learn from: method_forms.py tells them."""


def form_named(name: str) -> Form:
    """The form of this name."""
    return next(form for form in (*FORMS, *METHOD_FORMS) if form.name == name)


def form_of(
    rows: list[Row], columns: list[str], named: Mapping[str, str], wanted: RowFormat
) -> tuple[Form, dict[str, str]] | None:
    """The form of the rows and the column of each of its parts, as far as these rows have it; None where it is none.

    `columns` are the columns there are, `named` those that the recipe names itself, by part.
    """
    for form in FORMS:
        if wanted not in ("auto", form.name):
            continue
        parts = parts_by_name(form, rows, columns, named)
        if parts is None or not all(share_that_looks(form, parts[part], rows) >= 0.5 for part in form.needs):
            continue
        if form.name == "image_text" and not _has_texts(parts, rows):
            continue  # turns with images
        is_alpaca_by_chance = wanted == "auto" and form.name == "alpaca" and "prompt" in named and "input" not in parts
        if not is_alpaca_by_chance:  # but two columns of other names
            return form, parts
    return None


def _has_texts(parts: Mapping[str, str], rows: list[Row]) -> bool:
    """Whether what stands beside the images is text, where it is there."""
    columns = [name for part, name in parts.items() if part != "image"]
    given = [row[name] for row in rows for name in columns if row.get(name) is not None]
    return sum(map(_is_text, given)) * 2 >= len(given)


def parts_by_name(form: Form, rows: list[Row], columns: list[str], named: Mapping[str, str]) -> dict[str, str] | None:
    """The column of each part of the form, by their names; None where one that it needs is not there.

    Needed columns must be in half of the rows; others may be in any.
    """
    if any(part not in (*form.needs, *form.may_have) for part in named):
        return None
    usual = [name for name in columns if sum(name in row for row in rows) * 2 >= len(rows)]
    found: dict[str, str] = {}
    for part in (*form.needs, *form.may_have):
        there = usual if part in form.needs else [name for name in columns if _may_play(part, name, rows)]
        free = [name for name in form.columns_for(part, there) if name not in found.values()]
        if name := named.get(part) or next(iter(free), None):
            found[part] = name
        elif part in form.needs:
            return None
    if form.name == "image_text" and not {"text", "completion"} & set(found):
        return None
    return found


def _may_play(part: str, column: str, rows: list[Row]) -> bool:
    """Whether an optional part can have this column: images must be there, as without any the rows are texts."""
    return part != "image" or any(row.get(column) for row in rows)


def share_that_looks(form: Form, column: str, rows: list[Row]) -> float:
    """Of the rows, the share whose value in `column` looks as the needed parts of the form do."""
    return sum(form.looks(row.get(column)) for row in rows) / len(rows)


def has_images(parts: Mapping[str, str], rows: list[Row]) -> bool:
    """Whether rows have images: in a column of their own, or as parts of their turns."""
    if "image" in parts:
        return True
    several = (turns_in(row.get(parts.get("messages", ""))) for row in rows)
    turns = [turn for one in several for turn in one or () if isinstance(turn, dict)]
    contents = [turn["content"] for turn in turns if isinstance(turn.get("content"), list)]
    kinds = (part.get("type") for content in contents for part in content if isinstance(part, dict))
    return any(kind in ("image", "image_url") for kind in kinds)
