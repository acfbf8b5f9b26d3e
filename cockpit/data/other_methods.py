"""Rows that other methods than sft are trained on: told by their columns, named, and never trained by half"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cockpit.data.row_error import Row
from cockpit.data.row_form import USUAL
from cockpit.data.row_layout import LABELS, has_value
from cockpit.data.shown import listed_names, shown_name
from cockpit.data.turn_shapes import is_answer, is_any_turn, turns_in

if TYPE_CHECKING:
    from cockpit.recipe.methods.method import MethodName

Found = tuple[str, ...]
"""The columns that tell the form; empty where the rows do not have it."""
BETTER_AND_WORSE = (
    ("chosen", "rejected"),
    ("accepted", "rejected"),
    ("preferred", "rejected"),
    ("preferred", "dispreferred"),
    ("preferred", "non_preferred"),
    ("better", "worse"),
    ("winner", "loser"),
    ("win", "lose"),
)
"""What the columns of a pair have in their names, whatever stands around it: chosen_response, response_rejected."""
OF_ANSWERS = {"", "response", "answer", "output", "completion", "message", "conversation", "text", "reply", "summary"}
"""What stands around it; anything else, as in dinner_winner, is no answer."""
NUMBERED = re.compile(r"(.*?(?:response|answer|output|completion|conversation|generation|candidate|reply))_?([0-9a-k])")
"""One of several answers, each in a column of its own: response_j, answer_0, conversation_a."""
SCORES = {"score", "overall_score", "rating", "rank", "reward"}


@dataclass(frozen=True)
class MethodForm:
    """A form of rows that sft does not take. `holds` is what they are, `methods` are those that take them, `instead`
    says what would do, from the first column found, all columns and the rows."""

    name: str
    holds: str
    methods: str
    find: Callable[[list[str], list[Row]], Found]
    instead: Callable[[str, list[str], list[Row]], str]


def refuse_other_methods(file: str, columns: list[str], rows: list[Row], method: MethodName = "sft") -> None:
    """Raise ValueError with a sentence where the rows are for another method than `method`: what they are, and which
    takes them."""
    for form in METHOD_FORMS:
        if found := form.find(columns, rows):
            raise ValueError(
                f"{file} holds {form.holds} ({listed_names(found)}), which {form.methods} learn from and {method} does "
                f"not; {form.instead(found[0], columns, rows)}"
            )


def pair_columns(columns: list[str], rows: list[Row]) -> Found:
    """The columns of the better and of the worse answer."""
    plain = {name.strip().lower(): name for name in columns if _has_values(rows, name)}
    for better, worse in BETTER_AND_WORSE:
        for name in plain:
            other = name.replace(better, worse)
            of_what = name.replace(better, "").strip("_- ")
            if better in name and other in plain and of_what.rstrip("s") in OF_ANSWERS:
                return plain[name], plain[other]
    return ()


def numbered_columns(columns: list[str], rows: list[Row]) -> Found:
    """The columns of several answers that are told apart by a number or a letter."""
    if any(name.strip().lower() in (*USUAL["completion"], *USUAL["messages"]) for name in columns):
        return ()
    by_stem: dict[str, list[str]] = {}
    for name in columns:
        if (match := NUMBERED.fullmatch(name.strip().lower())) and _has_values(rows, name):
            by_stem.setdefault(match[1], []).append(name)
    return next((tuple(names) for names in by_stem.values() if len(names) > 1), ())


def ranked_column(columns: list[str], rows: list[Row]) -> Found:
    """The column that holds a list of answers."""
    names = {*USUAL["completion"], "completions", "outputs", "responses", "answers", "candidates", "generations"}
    for column in columns:
        if column.strip().lower() in names and _most(rows, column, is_ranking):
            return (column,)
    return ()


def is_ranking(value: object) -> bool:
    """Whether a value is a list of answers, the best first or with scores."""
    if not isinstance(value, list) or len(value) < 2 or all(map(is_any_turn, value)):
        return False
    return all(isinstance(one, str) for one in value) or all(
        isinstance(one, dict) and bool(one.keys() & SCORES) for one in value
    )


def _steps(columns: list[str], rows: list[Row]) -> Found:
    is_steps = _most(rows, "labels", lambda value: isinstance(value, list)) and _most(
        rows, "completions", lambda value: isinstance(value, list)
    )
    return ("completions", "labels") if is_steps else ()


def label_column(columns: list[str], rows: list[Row]) -> Found:
    """The column that says whether an answer is desired."""
    has_answers = any(name.strip().lower() in (*USUAL["completion"], *USUAL["messages"]) for name in columns)
    labels = (name for name in columns if name.strip().lower() in LABELS)
    return next(((name,) for name in labels if has_answers and _most(rows, name, is_mark)), ())


def has_classes(columns: list[str], rows: list[Row]) -> bool:
    """Whether a column that may say that an answer is desired holds something else, such as the numbers of classes."""
    labels = (name for name in columns if name.strip().lower() in LABELS)
    return any(_has_values(rows, name) and not _most(rows, name, is_mark) for name in labels)


def is_mark(value: object) -> bool:
    """Whether a value says that an answer is desired, or is not."""
    return (value.strip().lower() in ("true", "false")) if isinstance(value, str) else value in (0, 1)


def _prompts(columns: list[str], rows: list[Row]) -> Found:
    plain = {name.strip().lower(): name for name in columns}
    return (plain["prompt"],) if len(columns) == 1 and "prompt" in plain else ()


def _has_values(rows: list[Row], column: str) -> bool:
    return any(has_value(row.get(column)) for row in rows)


def _most(rows: list[Row], column: str, fits: Callable[[Any], bool]) -> bool:
    """Whether the values in a column fit, of those that are there."""
    given = [row[column] for row in rows if row.get(column) is not None]
    return bool(given) and all(map(fits, given))


def _one_of_them(column: str, columns: list[str], rows: list[Row]) -> str:
    """How to train on one answer of several."""
    value = next((row[column] for row in rows if has_value(row.get(column))), None)
    turns = turns_in(value)
    plain = {name.strip().lower(): name for name in columns}
    prompts = (plain[name] for name in (*USUAL["prompt"], *USUAL["messages"]) if name in plain)
    prompt, named = next(prompts, None), shown_name(column)
    if turns and is_any_turn(turns[0]) and not is_answer(turns[0]):
        return f"to train on one of them with sft, name its column: columns.messages: {named}"
    if prompt is None:
        return f"to train on one of them as plain text with sft, name its column: columns.text: {named}"
    names = f"columns.prompt: {shown_name(prompt)} and columns.completion: {named}"
    return f"to train on one of them with sft, name the columns: {names}"


def _one_a_row(column: str, columns: list[str], rows: list[Row]) -> str:
    return "for sft give one answer a row"


def _desired_rows(column: str, columns: list[str], rows: list[Row]) -> str:
    return f"for sft keep the rows with the desired answers alone, without the column {shown_name(column)}"


def _with_answers(column: str, columns: list[str], rows: list[Row]) -> str:
    return "for sft give answers too, in a column such as completion"


METHOD_FORMS = (
    MethodForm("stepwise", "steps with a label each", "process reward models", _steps, _one_a_row),
    MethodForm("preference", "preference pairs", "DPO, ORPO, CPO, SimPO and reward models", pair_columns, _one_of_them),
    MethodForm(
        "preference", "several answers to a prompt", "DPO, ORPO and reward models", numbered_columns, _one_of_them
    ),
    MethodForm(
        "ranking", "ranked answers", "reward models and, made into pairs, DPO and ORPO", ranked_column, _one_a_row
    ),
    MethodForm("labelled", "answers marked as desired or not", "KTO and BCO", label_column, _desired_rows),
    MethodForm("prompts", "prompts without answers", "GRPO, RLOO and PPO", _prompts, _with_answers),
)
"""The surest first. A method that comes takes its rows by the name of their form."""
