"""What a turn of a conversation looks like in data: role and content, from and value, or roles as keys"""

from __future__ import annotations

import json
from typing import Any

WORD_KEYS = ("content", "value", "tool_calls", "function_call")
"""One of them stands beside the role."""
USER_KEYS = ("user", "human", "prompter", "question", "query", "instruction", "prompt", "input")
ANSWER_KEYS = ("assistant", "gpt", "bot", "model", "answer", "response", "output", "completion")
"""What the halves of a turn pair are called, as in {"human": ..., "assistant": ...}; the likeliest first."""
ROLES_AS_KEYS = frozenset(("user", "human", "assistant", "gpt", "bot", "system"))
CONVERSATION_IDS = ("conversation_id", "conv_id", "dialog_id", "dialogue_id", "thread_id", "session_id", "parent_id")
"""Beside a role: the row is one turn of a table of turns, and says which conversation it is of."""


def is_turn(value: object) -> bool:
    """Whether it has a role and words, as {"role": ..., "content": ...}."""
    if not isinstance(value, dict):
        return False
    role = value.get("role", value.get("from"))
    return isinstance(role, str) and any(key in value for key in WORD_KEYS)


def turns_in(value: object) -> list[Any] | None:
    """The turns that a column holds: a list, or the JSON text of one, as CSV has it; None where it is none."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, list) else None


def is_keyed_turn(value: object) -> bool:
    """Whether the one key that has a value is a role: {"user": "Hi"}."""
    if not isinstance(value, dict):
        return False
    given = [key for key, words in value.items() if words is not None]
    return len(given) == 1 and given[0] in ROLES_AS_KEYS


def is_turn_pair(value: object) -> bool:
    """Whether it holds a question and its answer: {"human": ..., "assistant": ...}."""
    return isinstance(value, dict) and bool(value.keys() & USER_KEYS) and bool(value.keys() & ANSWER_KEYS)


def is_any_turn(value: object) -> bool:
    """Whether it is a turn in one of the shapes that conversations are lists of."""
    return is_turn(value) or is_keyed_turn(value) or is_turn_pair(value)


def is_answer(turn: dict[str, Any]) -> bool:
    """Whether a turn of any shape is the model's."""
    role = turn.get("role", turn.get("from"))
    return str(role).strip().lower() in ANSWER_KEYS if role is not None else next(iter(turn), "") in ANSWER_KEYS


def begins_conversation(value: object, a_list_is_a_row: bool) -> bool:
    """Whether a list that begins so is one conversation, and not a list of rows.

    A pair of question and answer may be a row of its own, unless `a_list_is_a_row` by the kind of its file.
    """
    if not isinstance(value, dict) or value.keys() & CONVERSATION_IDS:
        return False
    pair = a_list_is_a_row and is_turn_pair(value) and value.keys() <= ROLES_AS_KEYS
    return is_turn(value) or is_keyed_turn(value) or pair
