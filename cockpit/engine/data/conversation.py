"""One row of a dataset -> the turns of a conversation, its tools and images, or a plain text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cockpit.data.row_error import kind_of_value
from cockpit.data.row_layout import RowLayouts, has_value
from cockpit.data.shown import shown_value
from cockpit.data.turn_shapes import is_any_turn, is_turn, turns_in
from cockpit.engine.data.image_places import with_images
from cockpit.engine.data.message import THOUGHTS, Message
from cockpit.engine.data.not_used import NotUsedCount, Unused
from cockpit.engine.data.tool_calls import parsed, tools_of
from cockpit.engine.data.turns import TurnReader, Turns


@dataclass(frozen=True)
class Conversation:
    """The turns, ending with an answer; what the model may call; references to the images in the turns' order."""

    messages: list[Message]
    tools: list[dict[str, Any]] = field(default_factory=list)
    images: list[Any] = field(default_factory=list)
    untrained: frozenset[int] = frozenset()
    """Answers that no loss is taken on, by their place in `messages`, counted from 0."""


@dataclass(frozen=True)
class Pair:
    """A better and a worse answer to the same prompt, each with all that comes before it. `swapped`: the row's own
    scores say that the worse one is the better."""

    chosen: Conversation | str
    rejected: Conversation | str
    swapped: bool = False


@dataclass(frozen=True)
class Marked:
    """An answer with all that comes before it, and whether it is desired."""

    content: Conversation | str
    desired: bool


@dataclass(frozen=True)
class Prompt:
    """What the model is asked, and the row's other columns, which rewards are given."""

    messages: list[Message]
    columns: dict[str, Any]


Content = Conversation | str | Pair | Marked | Prompt
"""What a row holds."""


def best_of(content: Content) -> Conversation | str:
    """The answer of a row, of a pair the better one, with all that comes before it."""
    if isinstance(content, Pair):
        return content.chosen
    if isinstance(content, Prompt):
        return Conversation(content.messages)
    return content.content if isinstance(content, Marked) else content


Maker = Callable[[Mapping[str, Any], Mapping[str, str]], Content]
"""Makes something of a row with the column of each of its parts. Raises ValueError with the end of a sentence."""


class Conversations:
    """The rows of one source -> conversations and texts; `not_used` counts what they hold beside these."""

    def __init__(
        self,
        form: str,
        columns: Mapping[str, str],
        *,
        named: Iterable[str] = (),
        has_classes: bool = False,
        instruction: str | None = None,
        roles: Mapping[str, str] | None = None,
    ) -> None:
        """`columns` has the column of each part, as `form_of` found it, and `named` are the parts whose column the
        recipe names. `has_classes`: a 0 in a column such as label is a class, not a mark. `instruction` is the user's
        words for rows of image_text without a prompt, `roles` says whose turns those of other names are.
        """
        self.not_used = NotUsedCount()
        self._has_classes = has_classes
        self._instruction = instruction
        self._layouts = RowLayouts(form, columns, named)
        self._unused: set[Unused] = set()
        """Of the row at hand, spare columns left out."""
        self._reader = TurnReader(self._unused, roles)
        self._made = self.makers()[form]

    def makers(self) -> dict[str, Maker]:
        """What makes something of a row, by the row's form."""
        return {
            "messages": self.of_turns,
            "sharegpt": self.of_turns,
            "alpaca": self.of_answer,
            "prompt_completion": self.of_answer,
            "image_text": self._of_image,
            "text": self._of_text,
        }

    def of(self, row: Mapping[str, Any]) -> Conversation | str:
        """The row's turns, ending with an answer, of a pair the better one; a plain text for the form `text`. Raises as
        `content` does."""
        return best_of(self.content(row))

    def content(self, row: Mapping[str, Any]) -> Content:
        """All that the row holds for its form.

        Raises ValueError with the end of a sentence that begins with the row's place.
        """
        layout = self._layouts.of(row)
        if layout.label is not None and _is_no(row[layout.label], self._has_classes):
            raise ValueError(f"its {layout.label} says that its answer is not desired")
        try:
            made = self._made(row, layout.columns)
        except ValueError:
            self._unused.clear()
            raise
        for column in layout.spare:
            if has_value(row[column]):
                self._unused.add(("column", column))
        if self._unused:
            self.not_used.add(self._unused)
            self._unused.clear()
        return made

    def of_turns(self, row: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
        """What the column of the turns says, with what stands beside it. Raises ValueError."""
        return self._conversation(self._turns(row, columns["messages"]), row, columns)

    def of_prompt(self, turns: list[Any]) -> list[Message]:
        """The turns up to the last one that asks. Raises ValueError where none does."""
        messages = self._reader.read(turns).messages
        while messages and messages[-1]["role"] not in ("user", "tool"):
            messages = messages[:-1]
        if not messages:
            raise ValueError("no turn asks anything")
        return messages

    def of_answer(self, row: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
        """What the columns of the prompt and of the answer say, with what stands beside them. Raises ValueError."""
        return self._conversation(self._pair(row, columns), row, columns)

    def _of_image(self, row: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
        if "completion" in columns and "text" in columns and has_value(row.get(columns["text"])):
            self._unused.add(("column", columns["text"]))
        return _image_and_text(row, columns, self._instruction)

    def _of_text(self, row: Mapping[str, Any], columns: Mapping[str, str]) -> str:
        return _words(row, columns["text"])

    def _conversation(self, turns: Turns, row: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
        """The turns with what stands in columns of its own: a system turn, tools, images."""
        tools = turns.tools
        if "tools" in columns:
            tools = tools_of(row.get(columns["tools"]), columns["tools"]) + tools
        if "system" in columns:
            turns = self._with_system(turns, row, columns["system"])
        messages = _checked(turns.messages)
        if len(messages) < len(turns.messages):
            self._unused.add(("row", "turns after the last answer"))
        untrained = frozenset(at for at in turns.untrained if at < len(messages)) if turns.untrained else frozenset()
        if "image" not in columns and not turns.has_images:
            return Conversation(messages, tools, untrained=untrained)
        column = row.get(columns["image"]) if "image" in columns else None
        given = [one for one in (column if isinstance(column, list) else [column]) if one is not None]
        messages, images = with_images(messages, given)
        return Conversation(messages, tools, images, untrained)

    def _with_system(self, turns: Turns, row: Mapping[str, Any], column: str) -> Turns:
        words = row.get(column)
        if not has_value(words):
            return turns
        if not isinstance(words, str) or turns.messages[0]["role"] == "system":
            self._unused.add(("column", column))
            return turns
        return Turns([{"role": "system", "content": words}]).then(turns)

    def _turns(self, row: Mapping[str, Any], column: str) -> Turns:
        value = row.get(column)
        turns = turns_in(value)
        if turns is None:
            raise ValueError(f"{column} is no list of turns: it is {_what(value)}")
        if not turns:
            raise ValueError(f"{column} has no turns")
        return self._reader.read(turns)

    def _pair(self, row: Mapping[str, Any], columns: Mapping[str, str]) -> Turns:
        """What was said before, the question and the answer. Answers within a prompt of turns are not trained."""
        asked, answered = self._turns_of(row.get(columns["prompt"])), self._turns_of(row.get(columns["completion"]))
        if asked is None:
            asked = Turns([{"role": "user", "content": self._question(row, columns)}])
        else:
            asked.untrained = {at for at, turn in enumerate(asked.messages) if turn["role"] == "assistant"}
            if "input" in columns and has_value(row[columns["input"]]):
                self._unused.add(("column", columns["input"]))
        if answered is None:
            asked.messages.append({"role": "assistant", "content": _words(row, columns["completion"])})
        else:
            asked = asked.then(answered)
        if "reasoning" in columns:
            self._add_reasoning(asked.messages[-1], row, columns["reasoning"])
        history = row.get(columns["history"]) if "history" in columns else None
        return self._history(history, columns["history"]).then(asked) if has_value(history) else asked

    def _turns_of(self, value: Any) -> Turns | None:
        """What a list of turns says, or one turn, or the JSON text of a list; None for other values."""
        if isinstance(value, str):
            if not value.startswith("[{"):
                return None
            turns = turns_in(value)
            turns = turns if turns and all(map(is_turn, turns)) else None
        else:
            turns = [value] if is_any_turn(value) else value
        if not isinstance(turns, list) or not turns or not all(isinstance(turn, dict) for turn in turns):
            return None
        return self._reader.read(turns)

    def _question(self, row: Mapping[str, Any], columns: Mapping[str, str]) -> str:
        """The prompt; alpaca's input follows it after an empty line, in JSON where it is no text."""
        extra = row.get(columns["input"]) if "input" in columns else None
        if not has_value(extra):
            return _words(row, columns["prompt"])
        words = extra if isinstance(extra, str) else json.dumps(extra, ensure_ascii=False, default=str)
        return f"{_words(row, columns['prompt'])}\n\n{words}" if has_value(row.get(columns["prompt"])) else words

    def _history(self, history: Any, column: str) -> Turns:
        """Alpaca's history, a list of [question, answer]; a list of turns does too, and the JSON text of either."""
        history = parsed(history, column) if isinstance(history, str) else history
        turns: list[Any] = []
        for one in history if isinstance(history, list) else [None]:
            if isinstance(one, list) and len(one) == 2 and all(isinstance(words, str) for words in one):
                turns += [{"role": "user", "content": one[0]}, {"role": "assistant", "content": one[1]}]
            elif is_any_turn(one):
                turns.append(one)
            else:
                raise ValueError(f"{column} is no list of [question, answer]")
        return self._reader.read(turns)

    def _add_reasoning(self, answer: Message, row: Mapping[str, Any], column: str) -> None:
        thought = row.get(column)
        if not has_value(thought):
            return
        has_thought = any(answer.get(name) for name in THOUGHTS) or any("<think>" in text for text in texts_of(answer))
        if isinstance(thought, str) and answer["role"] == "assistant" and not has_thought:
            answer.update(dict.fromkeys(THOUGHTS, thought))
        else:
            self._unused.add(("column", column))


def _image_and_text(row: Mapping[str, Any], columns: Mapping[str, str], instruction: str | None) -> Conversation:
    """One turn of the user, the words before the image, and one answer."""
    image = row.get(columns["image"])
    image = image[0] if isinstance(image, list) and len(image) == 1 else image
    if image is None or image == "":
        raise ValueError(f"{columns['image']} is missing")
    asked = _words(row, columns["prompt"]) if "prompt" in columns else instruction
    answer = _words(row, columns["completion"] if "completion" in columns else columns["text"])
    words = [{"type": "text", "text": asked}] if asked else []
    return Conversation(
        [
            {"role": "user", "content": [*words, {"type": "image"}]},
            {"role": "assistant", "content": [{"type": "text", "text": answer}]},
        ],
        images=[image],
    )


def _checked(turns: list[Message]) -> list[Message]:
    """The turns without what follows the last answer, which nobody answers. Raises ValueError where the roles cannot
    follow each other so, or nothing is answered."""
    for number, turn in enumerate(turns, 1):
        before = turns[number - 2]["role"] if number > 1 else ""
        if turn["role"] == "system" and number > 1:
            raise ValueError(f"turn {number} is a system turn, which can only be the first")
        if turn["role"] == "tool" and before not in ("assistant", "tool"):
            raise ValueError(f"turn {number} is what a tool returned, and no turn of the assistant stands before it")
        if turn["role"] == "assistant" and before in ("", "system"):
            raise ValueError(f"turn {number} is an answer, and nobody has asked before it")
    while turns and turns[-1]["role"] != "assistant":
        turns = turns[:-1]
    if not turns:
        raise ValueError("there is no answer to learn")
    if not any(_says(turn) for turn in turns if turn["role"] == "assistant"):
        raise ValueError("the answer is empty")
    return turns


def _says(turn: Message) -> bool:
    content = turn["content"]
    if isinstance(content, str) and has_value(content):
        return True
    return bool(turn.get("tool_calls")) or any(map(has_value, texts_of(turn)))


def texts_of(turn: Message) -> Iterator[str]:
    """The texts of a turn's content; none where it is None, as some templates want it beside calls."""
    content = turn["content"]
    if isinstance(content, str):
        yield content
    elif content is not None:
        yield from (part["text"] for part in content if part["type"] == "text")


def _is_no(value: object, has_classes: bool) -> bool:
    if isinstance(value, str):
        return value.strip().lower() == "false"
    return value is False or (value == 0 and not has_classes)


def _words(row: Mapping[str, Any], column: str) -> str:
    words = row.get(column)
    if not isinstance(words, str) or not has_value(words):
        raise ValueError(f"{column} is {_what(words)}" + (", not text" if has_value(words) else ""))
    return words


def _what(value: object) -> str:
    """What a value is that should be a text or turns."""
    if value is None:
        return "missing"
    if not has_value(value):
        return "empty"
    return f"{kind_of_value(value)}{shown_value(value)}"
