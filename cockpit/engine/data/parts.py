"""The content of a turn that is a list of parts -> words, images, reasoning, calls, what tools returned, tools"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cockpit.data.row_layout import has_value
from cockpit.engine.data.not_used import Unused
from cockpit.engine.data.tool_calls import ARGUMENTS, one_call, tools_of
from cockpit.text.plain_text import plain_line

WORDS = ("text", "value", "content")
"""What the words of a part are called: by OpenAI and transformers, by LLaMA-Factory's v1, by others."""
TEXTS = ("text", "input_text", "output_text")
THOUGHTS = ("reasoning", "reasoning_content", "thinking", "thought")
CALLS = ("tool_call", "tool_calls", "function_call", "tool_use")
RESULTS = ("tool_result", "tool_response", "function_response", "observation")
TOOLS = ("tools",)
IMAGES = ("image", "image_url")
"""The types of parts: by OpenAI, Anthropic, transformers and LLaMA-Factory's v1."""
ID_KEYS = ("tool_call_id", "tool_use_id", "id", "call_id")
IMAGE_KEYS = ("image", "image_url", "path", "bytes", "url", "value")


class Result(NamedTuple):
    """What a tool returned."""

    words: str | list[dict[str, Any]]
    call_id: str | None = None
    tool: str | None = None


@dataclass
class Content:
    """What the parts of one turn say."""

    parts: list[dict[str, Any]] = field(default_factory=list)
    """{"type": "text", "text"} and {"type": "image"}, with `image` where the part names one."""
    thoughts: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)

    @property
    def has_images(self) -> bool:
        """Whether an image is among the parts, or among those that tools returned."""
        returned = any(isinstance(result.words, list) for result in self.results)
        return returned or any(part["type"] == "image" for part in self.parts)

    @property
    def words(self) -> str | list[dict[str, Any]]:
        """The text; a list of parts where there is an image."""
        if any(part["type"] == "image" for part in self.parts):
            return self.parts
        return "".join(part["text"] for part in self.parts)


class PartReader:
    """Reads parts. The keys of parts that it cannot use go into `unused`."""

    def __init__(self, unused: set[Unused]) -> None:
        self._unused = unused

    def content(self, parts: list[Any], number: int) -> Content:
        """What the parts of turn `number` say. Raises ValueError with the end of a sentence."""
        content = Content()
        for part in parts:
            if isinstance(part, str):
                self._take({"type": "text", "text": part}, number, content)
            elif isinstance(part, Mapping):
                self._take(part, number, content)
            elif part is not None:
                raise ValueError(f"turn {number} has a part that is neither text nor an object")
        return content

    def _take(self, part: Mapping[str, Any], number: int, content: Content) -> None:
        kind = part.get("type") or "text"
        if kind in TEXTS:
            words = self._words(part, kind, number)
            if content.calls and words.strip():
                self._unused.add(("row", "the place of words after calls"))
            content.parts.append({"type": "text", "text": words})
        elif kind in IMAGES:
            given = next((part[key] for key in IMAGE_KEYS if part.get(key) is not None), None)
            given = given["url"] if isinstance(given, Mapping) and "url" in given else given
            content.parts.append({"type": "image"} if given is None else {"type": "image", "image": given})
            self._note(part, IMAGE_KEYS)
        elif kind in THOUGHTS:
            if content.calls or any(one.get("text", "").strip() for one in content.parts):
                self._unused.add(("row", "the place of reasoning after words"))
            content.thoughts.append(self._words(part, kind, number))
        elif kind in CALLS:
            content.calls += self._calls(part, kind, number)
        elif kind in RESULTS:
            content.results.append(self._result(part, kind, number))
        elif kind in TOOLS:
            content.tools += tools_of(_value(part, kind), f"tools of turn {number}")
            self._note(part, (kind, *WORDS))
        else:
            shown = plain_line(str(kind)[:40])
            right = "a part is text, image, reasoning, tool_call or tool_result"
            raise ValueError(f"turn {number} has a part of the type {shown}; {right}")

    def _words(self, part: Mapping[str, Any], kind: str, number: int) -> str:
        words = part.get("text")
        if len(part) == 2 and isinstance(words, str):  # as most are
            return words
        words = _value(part, kind)
        if isinstance(words, Mapping):
            words = words.get("value")
        if not isinstance(words, str):
            named = plain_line(", ".join(map(str, part))[:80])
            raise ValueError(f"turn {number} has a part of the type {kind} without text (its keys are {named})")
        self._note(part, (kind, *WORDS))
        return words

    def _calls(self, part: Mapping[str, Any], kind: str, number: int) -> list[dict[str, Any]]:
        value = _value(part, kind)
        calls = one_call(part if value is None else value, number, self._unused, kind)
        self._note(part, (kind, *WORDS, *ID_KEYS, "name", "function", *ARGUMENTS))
        named = next((part[key] for key in ID_KEYS if isinstance(part.get(key), str)), None)
        return [{"id": named, **call} for call in calls] if named is not None and len(calls) == 1 else calls

    def _result(self, part: Mapping[str, Any], kind: str, number: int) -> Result:
        value = _value(part, kind)
        self._note(part, (kind, *WORDS, *ID_KEYS, "name"))
        called = next((part[key] for key in ID_KEYS if isinstance(part.get(key), str)), None)
        name = part.get("name")
        return Result(self.result(value, number), called, name if isinstance(name, str) else None)

    def result(self, value: Any, number: int) -> str:
        """What a tool returned, in words: its text, that of its parts, or its JSON where it is no text."""
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(one, Mapping) and "type" in one for one in value):
            words = self.content(value, number).words
            if isinstance(words, str):
                return words
        return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)

    def _note(self, part: Mapping[str, Any], used: tuple[str, ...]) -> None:
        spare = (str(key) for key in part if key not in used and key != "type" and has_value(part[key]))
        self._unused.update(("part", key) for key in spare)


def _value(part: Mapping[str, Any], kind: str) -> Any:
    return next((part[key] for key in (kind, *WORDS) if part.get(key) is not None), None)
