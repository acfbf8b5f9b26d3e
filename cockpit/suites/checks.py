"""The checks of a reply: each says in a sentence why it fails, or nothing"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cockpit.recipe.suite import Checks
from cockpit.suites.answer import Answer, Judged, Result
from cockpit.suites.own_code import ask_judge, call_function
from cockpit.suites.repeats import repeated
from cockpit.text.plain_text import plain_line

SHOWN = 60
"""Characters of a reply, or of what was wanted, in a sentence."""


def judge(checks: Checks, answer: Answer, folder: str = "") -> Judged:
    """The reply with the results of its checks. Commands run in `folder`, the working folder if empty."""
    if answer.end == "failed":
        return Judged(answer)
    return Judged(answer, list(_results(checks, answer, folder)))


def _results(checks: Checks, answer: Answer, folder: str) -> Iterator[Result]:
    reply = answer.text.strip()
    texts = _Texts(reply, checks.ignore_case)
    yield from (Result(f"contains {shown(text)}", texts.contains(text)) for text in checks.contains)
    yield from (Result(f"not_contains {shown(text)}", texts.contains_not(text)) for text in checks.not_contains)
    yield from (Result(f"regex {shown(pattern)}", texts.matches(pattern)) for pattern in checks.regex)
    if checks.equals is not None:
        yield Result(f"equals {shown(checks.equals)}", texts.equals(checks.equals))
    if checks.one_of:
        yield Result("one_of", texts.is_one_of(checks.one_of))
    if checks.json_:
        yield Result("json", is_json(reply))
    if checks.json_schema is not None:
        yield Result("json_schema", fits_schema(reply, checks.json_schema))
    if checks.ends_within is not None:
        yield Result(f"ends_within {checks.ends_within:,} tokens", ends_within(answer, checks.ends_within))
    if checks.repeats_nothing:
        yield Result("repeats_nothing", repeats_nothing(reply))
    if checks.function is not None:
        yield Result(f"function {checks.function}", call_function(checks.function, reply))
    if checks.judge:
        yield Result(f"judge {shown(' '.join(checks.judge))}", ask_judge(checks.judge, reply, folder))


@dataclass(frozen=True)
class _Texts:
    """Comparisons with the reply; each gives a sentence where it fails."""

    reply: str
    ignore_case: bool

    def contains(self, text: str) -> str:
        is_there = self._folded(text) in self._folded(self.reply)
        return "" if is_there else f"The reply does not contain {shown(text)}: {shown(self.reply)}."

    def contains_not(self, text: str) -> str:
        is_there = self._folded(text) in self._folded(self.reply)
        return f"The reply contains {shown(text)}: {shown(self.reply)}." if is_there else ""

    def matches(self, pattern: str) -> str:
        flags = re.MULTILINE | (re.IGNORECASE if self.ignore_case else 0)
        found = re.search(pattern, self.reply, flags)
        return "" if found else f"The reply has nothing that the regex {shown(pattern)} finds: {shown(self.reply)}."

    def equals(self, text: str) -> str:
        same = self._folded(text.strip()) == self._folded(self.reply)
        return "" if same else f"The reply is {shown(self.reply)}, and should be {shown(text)}."

    def is_one_of(self, texts: list[str]) -> str:
        if any(not self.equals(text) for text in texts):
            return ""
        return f"The reply is {shown(self.reply)}, and should be one of: {', '.join(map(shown, texts))}."

    def _folded(self, text: str) -> str:
        return text.casefold() if self.ignore_case else text


def is_json(reply: str) -> str:
    """Why the whole reply is no JSON value, in a sentence; empty where it is one."""
    return _read_json(reply)[1]


def fits_schema(reply: str, schema: dict[str, Any]) -> str:
    """Why the reply is no JSON that the schema accepts, in a sentence; empty where it is."""
    from jsonschema.exceptions import best_match

    value, wrong = _read_json(reply)
    if wrong:
        return wrong
    try:
        error = best_match(schema_validator(schema).iter_errors(value))
    except Exception as failed:  # a reference that leads nowhere, or round in circles
        return f"The JSON schema cannot be used ({_cut(plain_line(str(failed)), SHOWN)})."
    if error is None:
        return ""
    where = f" at {plain_line(error.json_path)}" if error.path else ""
    return f"The reply does not fit the JSON schema{where}: {_cut(plain_line(error.message), 2 * SHOWN)}."


def wrong_schema(schema: dict[str, Any]) -> tuple[str, str] | None:
    """Why values cannot be checked by the schema, and what helps; None where they can."""
    try:
        schema_validator(schema)
    except ImportError:
        return "the package jsonschema is not installed", "install it: pip install jsonschema"
    except Exception as error:
        return f"it is no JSON schema ({plain_line(str(error).splitlines()[0])})", "mend it"
    return None


def schema_validator(schema: dict[str, Any]) -> Any:
    """What checks values by the schema: by the draft that it names, else the newest. Nothing is fetched for it.

    Raises jsonschema.SchemaError where it is no JSON schema, ImportError where jsonschema is not installed.
    """
    from jsonschema.validators import validator_for
    from referencing import Registry

    kind = validator_for(schema)
    kind.check_schema(schema)
    return kind(schema, registry=Registry())


def ends_within(answer: Answer, tokens: int) -> str:
    """Why the model has not ended its turn in so many tokens, in a sentence; empty where it has."""
    if answer.end != "end_of_turn":
        return f"The reply does not end by itself; it was cut after {answer.new_tokens:,} tokens."
    if answer.new_tokens > tokens:
        return f"The reply ends after {answer.new_tokens:,} tokens, and should within {tokens:,}."
    return ""


def repeats_nothing(reply: str) -> str:
    """What the reply repeats, in a sentence; empty where it is nothing."""
    piece = repeated(reply)
    return f"The reply repeats {shown(piece)}." if piece else ""


def _read_json(reply: str) -> tuple[Any, str]:
    """The value, and why there is none."""
    try:
        return json.loads(reply, parse_constant=_refuse_constant), ""
    except RecursionError:
        return None, f"The reply is JSON that is nested too deep: {shown(reply)}."
    except ValueError as error:
        return None, f"The reply is not JSON ({plain_line(str(error))}): {shown(reply)}."


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def shown(text: str) -> str:
    """In quotes, on one line, no longer than fits a sentence."""
    return f"'{_cut(plain_line(text), SHOWN)}'"


def _cut(line: str, characters: int) -> str:
    return line if len(line) <= characters else f"{line[: characters - 1]}…"
