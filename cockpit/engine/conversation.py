"""One row of a dataset -> the turns of a conversation, or a plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cockpit.engine.chat_template import Message

ROLES = ("system", "user", "assistant", "tool")


def conversation_of(row: Mapping[str, Any], form: str, columns: Mapping[str, str]) -> list[Message] | str:
    """The row's turns, ending with an answer; a plain text for the form `text`.

    `columns` names the column of each part: messages; prompt, input, completion; text. Raises ValueError with the end
    of a sentence that begins with the row's place.
    """
    match form:
        case "messages":
            return _checked(_turns(row, columns["messages"]))
        case "alpaca" | "prompt_completion":
            return _checked(_pair(row, columns))
        case "text":
            return _words(row, columns["text"])
    raise ValueError(f"rows of the form {form} cannot be trained on yet")


def _pair(row: Mapping[str, Any], columns: Mapping[str, str]) -> list[Message]:
    """Question and answer; alpaca's input follows its instruction after an empty line."""
    prompt, completion = row.get(columns["prompt"]), row.get(columns["completion"])
    if isinstance(prompt, list) and isinstance(completion, list):
        return _turns(row, columns["prompt"]) + _turns(row, columns["completion"])
    question, answer = _words(row, columns["prompt"]), _words(row, columns["completion"])
    extra = row.get(columns["input"]) if "input" in columns else None
    if isinstance(extra, str) and extra.strip():
        question = f"{question}\n\n{extra}"
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _turns(row: Mapping[str, Any], column: str) -> list[Message]:
    turns = row.get(column)
    if not isinstance(turns, list) or not turns:
        raise ValueError(f"{column} is no list of turns")
    return [_turn(turn, number) for number, turn in enumerate(turns, 1)]


def _turn(turn: Any, number: int) -> Message:
    if not isinstance(turn, Mapping):
        raise ValueError(f"turn {number} has no role and content")
    role, content = turn.get("role"), turn.get("content")
    if isinstance(content, list):
        parts = [
            part.get("text") if isinstance(part, Mapping) and part.get("type") == "text" else None for part in content
        ]
        if not all(isinstance(part, str) for part in parts):
            raise ValueError(f"turn {number} holds more than text")
        content = "".join(part for part in parts if part)
    if role not in ROLES:
        raise ValueError(f"turn {number} has the role {role!r}; known are {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise ValueError(f"turn {number} has no text as its content")
    return {"role": role, "content": content}


def _checked(turns: list[Message]) -> list[Message]:
    """The turns without what follows the last answer, which nobody answers."""
    while turns and turns[-1]["role"] != "assistant":
        turns = turns[:-1]
    if not turns:
        raise ValueError("there is no answer to learn")
    if not any(turn["content"].strip() for turn in turns if turn["role"] == "assistant"):
        raise ValueError("the answer is empty")
    return turns


def _words(row: Mapping[str, Any], column: str) -> str:
    words = row.get(column)
    if not isinstance(words, str) or not words.strip():
        raise ValueError(
            f"{column} is {'missing' if words is None else 'empty' if isinstance(words, str) else 'no text'}"
        )
    return words
