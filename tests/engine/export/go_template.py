"""Go's text/template as far as our Modelfiles use it: range over messages, if and else, eq and ne, variables, text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

_action = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def render(template: str, messages: Sequence[Mapping[str, str]]) -> str:
    """What Go writes for a template whose data has the `messages`, each with role and content."""
    return _Renderer(_action.split(template), messages).text()


class _Renderer:
    """`parts` are texts and actions in turns. An action that is none of those that are known is an error."""

    def __init__(self, parts: list[str], messages: Sequence[Mapping[str, str]]) -> None:
        self._parts = parts
        self._messages = messages
        self._variables: dict[str, str] = {}

    def text(self) -> str:
        """All of it."""
        written, at = self._block(0, None, True)
        assert at == len(self._parts), "an end too many"
        return written

    def _block(self, at: int, message: Mapping[str, str] | None, live: bool) -> tuple[str, int]:
        """From the part `at` to the action that ends the block; where that stands."""
        written = ""
        while at < len(self._parts):
            part = self._parts[at].strip() if at % 2 else self._parts[at]
            if not at % 2:
                written += part if live else ""
            elif part == "end" or part.startswith("else"):
                return written, at
            elif part == "range .Messages":
                inside = ""
                for one in self._messages:
                    more, end = self._block(at + 1, one, live)
                    inside += more
                written, at = written + inside, end
            elif part.startswith("if "):
                more, at = self._branches(at, message, live)
                written += more
            elif assigned := re.fullmatch(r"(\$\w+) (:?=) (.+)", part):
                name, sign, value = assigned.groups()
                assert (sign == ":=") != (name in self._variables), "declared once, then set"
                if live:
                    self._variables[name] = self._value(value, message)
            elif live:
                written += self._value(part, message)
            at += 1
        return written, at

    def _branches(self, at: int, message: Mapping[str, str] | None, live: bool) -> tuple[str, int]:
        written, chosen = "", False
        while True:
            condition = self._parts[at].strip().removeprefix("else").strip().removeprefix("if").strip()
            takes = live and not chosen and (not condition or self._holds(condition, message))
            chosen = chosen or takes
            more, at = self._block(at + 1, message, takes)
            written += more
            if self._parts[at].strip() == "end":
                return written, at

    def _holds(self, condition: str, message: Mapping[str, str] | None) -> bool:
        word, left, right = condition.split(" ")
        return {"eq": True, "ne": False}[word] is (self._value(left, message) == self._value(right, message))

    def _value(self, word: str, message: Mapping[str, str] | None) -> str:
        if word.startswith('"'):
            return str(json.loads(word))
        if word.startswith("$"):
            return self._variables[word]
        assert message is not None
        return message[{".Role": "role", ".Content": "content"}[word]]
