"""Random rows in random shapes: each word of a row is in its turns, its column or key is counted as not used, or the
row is refused in a sentence. An oracle that knows nothing of how rows are read."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from cockpit.data.files import form_of_rows
from cockpit.engine.data.conversation import Conversations

ROUNDS, ROWS = 60, 12
COLUMNS = ("messages", "conversations", "prompt", "instruction", "question", "input", "context", "completion", "output",
           "response", "solution", "answer", "reasoning", "thinking", "history", "system", "tools", "text", "label",
           "id", "image", "functions", "score", "Unnamed: 0", "user", "assistant")  # fmt: skip
TURN_KEYS = ("name", "weight", "train", "tool_calls", "function_call", "reasoning", "reasoning_content", "thinking",
             "tool_call_id", "date", "tools", "value", "text")  # fmt: skip
PART_KINDS = ("text", "reasoning", "tool_call", "tool_use", "tool_result", "image_url", "tools", "audio", None)
ROLES = ("system", "user", "assistant", "tool", "human", "gpt", "function", "function_call", "boss")
NEEDED = ("prompt", "instruction", "question", "completion", "output", "answer", "text", "user", "assistant")


class Shapes:
    """Makes rows of words that no other place has."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._numbers = itertools.count()

    def word(self) -> str:
        return f"w{next(self._numbers)}w"

    def row(self, columns: list[str]) -> dict[str, Any]:
        """Most of the columns; those that every form needs are texts more often than not."""
        chance = self._draw.random
        row = {name: self.word() if name in NEEDED and chance() < 0.7 else self.of_column(name) for name in columns}
        return {name: value for name, value in row.items() if chance() < 0.97}

    def columns(self) -> list[str]:
        base = self._draw.choice([["messages"], ["conversations"], ["instruction", "output"], ["prompt", "completion"],
                                  ["question", "answer"], ["text"], ["user", "assistant"]])  # fmt: skip
        return [*base, *self._draw.sample(COLUMNS, self._draw.randrange(5))]

    def of_column(self, name: str) -> Any:
        if name in ("messages", "conversations"):
            turns = self.turns()
            return json.dumps(turns) if self._draw.random() < 0.1 else turns
        if name == "history":
            return self._draw.choice([[[self.word(), self.word()]], [], [[self.word()]], None, self.word()])
        if name in ("tools", "functions"):
            return self._draw.choice(
                [[{"name": self.word()}], json.dumps([{"name": self.word()}]), None, "", self.word()]
            )
        if name in ("prompt", "completion") and self._draw.random() < 0.3:
            return self.turns() if name == "prompt" else [self.turn("assistant")]
        return self._draw.choice(
            [self.word(), self.word(), self.word(), "", None, 7, {"x": self.word()}, [self.word()]]
        )

    def turns(self) -> list[Any]:
        """A question and its answer, several times, with what else may stand between them."""
        turns = [self.turn("system")] if self._draw.random() < 0.3 else []
        for _ in range(self._draw.randrange(1, 4)):
            turns += [self.turn("user"), self.turn("assistant")]
            if self._draw.random() < 0.3:
                turns += [self.turn("tool"), self.turn("assistant")]
        return turns + ([self.turn("user")] if self._draw.random() < 0.2 else [])

    def turn(self, role: str) -> Any:
        if role == "user" and self._draw.random() < 0.1:
            return {self._draw.choice(("user", "human")): self.word(), "assistant": self.word(), "extra": self.word()}
        if self._draw.random() < 0.03:
            role = self._draw.choice(ROLES)
        names = {"user": ("human", "User"), "assistant": ("gpt", "function_call"), "tool": ("function", "observation")}
        who, words = self._draw.choice((("role", "content"), ("from", "value")))
        turn = {who: self._draw.choice((role, role, *names.get(role, ()))), words: self.content(role)}
        for key in self._draw.sample(TURN_KEYS, self._draw.choice((0, 0, 1, 2))):
            turn.setdefault(key, self.of_turn(key))
        return turn

    def content(self, role: str) -> Any:
        if self._draw.random() < 0.6:
            return self.word()
        odd = [None, "", {"x": self.word()}, 5] if self._draw.random() < 0.2 else []
        return self._draw.choice([[self.part(role) for _ in range(self._draw.randrange(3))], *odd])

    def part(self, role: str) -> Any:
        kinds = {
            "assistant": ("text", "reasoning", "tool_call", "tool_use"),
            "user": ("text", "tool_result", "image_url"),
        }
        kind = self._draw.choice((*kinds.get(role, ("text",)), self._draw.choice(PART_KINDS)))
        call = json.dumps({"name": self.word(), "arguments": {"x": self.word()}})
        value = call if kind in ("tool_call", "tools") else self.word()
        part: dict[str, Any] = {"type": kind, self._draw.choice(("text", "value", "content")): value}
        if kind == "tool_use":
            part = {"type": kind, "id": self.word(), "name": self.word(), "input": {"x": self.word()}}
        return part | ({self._draw.choice(("cache", "id")): self.word()} if self._draw.random() < 0.2 else {})

    def of_turn(self, key: str) -> Any:
        call = {
            "id": self.word(),
            "function": {"name": self.word(), "arguments": {"x": self.word()}},
            "more": self.word(),
        }
        given: dict[str, list[Any]] = {
            "weight": [0, 1, 0.5], "train": [True, False], "tool_calls": [[call], json.dumps([call]), 5, []],
            "function_call": [{"name": self.word(), "arguments": json.dumps({"x": self.word()})}],
            "tools": [[{"name": self.word()}], self.word()],
        }  # fmt: skip
        return self._draw.choice(given.get(key, [self.word(), None, "", 3, {"y": self.word()}]))


def places(value: Any, inside: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each word, and the keys that it stands below; of JSON text its words too."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*inside, str(key)))
    elif isinstance(value, list):
        for one in value:
            yield from places(one, inside)
    elif isinstance(value, str) and value[:1] in "[{" and value:
        yield from places(json.loads(value), inside)
    elif isinstance(value, str) and value.startswith("w"):
        yield value, inside


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_each_word_is_used_or_named(seed: int) -> None:
    shapes = Shapes(seed)
    columns = shapes.columns()
    rows = [shapes.row(columns) for _ in range(ROWS)]
    try:
        form = form_of_rows("rows", [(f"row {at}", row) for at, row in enumerate(rows)], (), "auto", None)
    except ValueError as error:
        assert str(error).startswith("rows ")
        return
    for row in rows:
        made = Conversations(form.form, form.columns)
        try:
            turned = made.of(row)
        except ValueError as error:
            assert str(error)
            assert made.not_used.found("") == []
            continue
        used = turned if isinstance(turned, str) else json.dumps([turned.messages, turned.tools, turned.images])
        unused = made.not_used.found("")
        named = {name for one in unused for name in (one.name, *one.name.split())}
        for word, keys in places(row):
            assert word in used or named & set(keys) or "last" in named, (word, keys, row, used)
