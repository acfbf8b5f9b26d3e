"""The turns of a conversation, in whichever shape data has them -> messages as chat templates take them"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cockpit.data.row_layout import has_value
from cockpit.data.turn_shapes import ANSWER_KEYS, USER_KEYS
from cockpit.engine.data.message import ROLES, THOUGHTS, Message
from cockpit.engine.data.not_used import Unused
from cockpit.engine.data.parts import ID_KEYS, Content, PartReader, Result
from cockpit.engine.data.tool_calls import calls_in_words, calls_of, one_call, tools_of
from cockpit.text.plain_text import plain_line

CALL_ROLES = ("function_call", "tool_call", "tool_calls")
ALIASES = {
    **dict.fromkeys(("human", "input", "prompter"), "user"),
    **dict.fromkeys(("gpt", "model", "bot", "chatgpt", "output", *CALL_ROLES), "assistant"),
    **dict.fromkeys(("observation", "function", "function_response", "tool_response", "ipython"), "tool"),
    "developer": "system",
}
"""What else the roles are called."""
LIKELY = {
    **dict.fromkeys(("ai", "agent", "chatbot", "helper", "llm", "machine", "response", "answer"), "assistant"),
    **dict.fromkeys(("customer", "client", "student", "patient", "player", "person", "question"), "user"),
    **dict.fromkeys(("context", "persona", "instruction", "instructions", "background"), "system"),
    **dict.fromkeys(("result", "results", "tool_result", "tool_output", "function_result", "environment"), "tool"),
}
"""Names that some call one so and others another: they are suggested, and never guessed."""
REASONING_KEYS = ("reasoning_content", "reasoning", "thinking", "thought")
WEIGHT_KEYS = ("weight", "train", "loss", "loss_weight", "loss_scale")
"""Whether a loss is taken on the answer: 0 or false, 1 or true."""
WORD_KEYS = ("content", "value", "text")


@dataclass
class Turns:
    """What a list of turns says."""

    messages: list[Message] = field(default_factory=list)
    untrained: set[int] = field(default_factory=set)
    """Answers without loss, by their place in `messages`."""
    tools: list[dict[str, Any]] = field(default_factory=list)
    """Tools that a turn declares."""
    has_images: bool = False
    """Whether images are among the parts of a turn."""

    def then(self, following: Turns) -> Turns:
        """These turns and those that follow them."""
        if not self.messages:
            return following
        places = {at + len(self.messages) for at in following.untrained}
        return Turns(
            self.messages + following.messages,
            self.untrained | places,
            self.tools + following.tools,
            self.has_images or following.has_images,
        )


class TurnReader:
    """Reads turns. The keys of turns and of their parts that it cannot use go into `unused`."""

    def __init__(self, unused: set[Unused], roles: Mapping[str, str] | None = None) -> None:
        """`roles`: whose turns those of other names are, as the recipe says."""
        self._unused = unused
        self._parts = PartReader(unused)
        self._roles = {role: role for role in ROLES} | ALIASES
        self._roles |= {name.strip().lower(): role for name, role in (roles or {}).items()}
        self._of_words = {name: role for name, role in self._roles.items() if role != "tool" and name not in CALL_ROLES}
        """The roles whose turns may be words and nothing else."""
        self._turns: list[Any] = []

    def read(self, turns: list[Any]) -> Turns:
        """What the turns say. Raises ValueError with the end of a sentence."""
        read, self._turns = Turns(), turns
        for number, turn in enumerate(turns, 1):
            if not isinstance(turn, dict):
                raise ValueError(f"turn {number} has no role and content")
            key = "role" if turn.get("role") is not None else "from"
            name = turn.get(key)
            if name is None:
                for keyed in self._keyed(turn, number):
                    self._take(keyed, "role", number, read)
                continue
            if len(turn) == 2 and isinstance(name, str) and name in self._of_words:  # as most are
                words = turn.get("content" if key == "role" else "value")
                if isinstance(words, str):
                    read.messages.append({"role": self._of_words[name], "content": words})
                    continue
            self._take(turn, key, number, read)
        return read

    def _keyed(self, turn: dict[str, Any], number: int) -> list[dict[str, Any]]:
        """The turns of an object whose keys are roles: {"user": ..., "assistant": ...}."""
        found = {}
        for role, keys in (("system", ("system",)), ("user", USER_KEYS), ("assistant", ANSWER_KEYS)):
            key = next((key for key in keys if turn.get(key) is not None), None)
            if key is not None:
                found[key] = {"role": role, "content": turn[key]}
        if not found:
            keys_there = plain_line(", ".join(map(str, turn))[:80])
            raise ValueError(f"turn {number} has no role (its keys are {keys_there})")
        self._unused.update(("turn", str(key)) for key in turn if key not in found and has_value(turn[key]))
        return list(found.values())

    def _role(self, name: Any, number: int) -> str:
        if isinstance(name, str) and (role := self._roles.get(name) or self._roles.get(name.strip().lower())):
            return role
        raise ValueError(f"turn {number} has the role {plain_line(repr(name)[:40])}{self._who_it_may_be(name)}")

    def _who_it_may_be(self, name: object) -> str:
        """The rest of a sentence about a role that is not known: what data.roles would say of this row's roles."""
        roles = (
            str(turn.get("role") or turn.get("from")).strip().lower() for turn in self._turns if isinstance(turn, dict)
        )
        likely = {role: LIKELY[role] for role in roles if role in LIKELY and role not in self._roles}
        if str(name).strip().lower() not in likely:
            return f"; known are {', '.join(ROLES)}, and data.roles says who another is"
        named = ", ".join(f"{role}: {who}" for role, who in likely.items())
        return f", which is not known; data.roles: {{{named}}} would say who it is"

    def _take(self, turn: dict[str, Any], role_key: str, number: int, read: Turns) -> None:
        """Add the messages of a turn."""
        name = turn[role_key]
        role = self._role(name, number)
        words_key = next((key for key in WORD_KEYS if turn.get(key) is not None), "content")
        content = turn.get(words_key)
        is_call = role == "assistant" and name.strip().lower() in CALL_ROLES
        used = (role_key, words_key)
        extra = {str(key): value for key, value in turn.items() if key not in used and has_value(value)}
        said = self._said(content, role, number, is_call)
        read.tools += said.tools
        read.has_images = read.has_images or said.has_images
        if role == "assistant":
            if is_call:
                self._add_written_calls(said, content, number)
            self._answer(said, content is not None, extra, number, read)
        elif role == "tool":
            self._result(said, extra, number, read)
        else:
            self._asked(said, content is not None, role, extra, number, read)
        self._weight(role, extra, read)
        self._unused.update(("turn", key) for key in extra)

    def _said(self, content: Any, role: str, number: int, is_call: bool) -> Content:
        if isinstance(content, str):
            return Content([{"type": "text", "text": content}])
        parts = [content] if isinstance(content, Mapping) and "type" in content else content
        if role == "tool" and not (isinstance(parts, list) and all(map(_is_part, parts))):
            return Content([{"type": "text", "text": self._parts.result(content, number)}])
        if isinstance(parts, list):
            return self._parts.content(parts, number)
        if not (content is None or (is_call and isinstance(content, Mapping))):
            raise ValueError(f"turn {number} has no text as its content")
        return Content()

    def _add_written_calls(self, said: Content, content: Any, number: int) -> None:
        """ShareGPT's function_call: the words are the call, or a list of calls, as JSON; other words are an answer."""
        words = said.words
        written = calls_in_words(words, number, self._unused) if isinstance(words, str) else []
        if isinstance(content, Mapping) and not said.calls:
            written = one_call(content, number, self._unused, "calls")
        if written:
            said.calls, said.parts = [*said.calls, *written], []

    def _answer(self, said: Content, has_words: bool, extra: dict[str, Any], number: int, read: Turns) -> None:
        if said.results:
            raise ValueError(f"turn {number} is an answer, and has a part that a tool returned")
        message: Message = {"role": "assistant", "content": said.words}
        calls = said.calls
        if "tool_calls" in extra:
            calls = calls + calls_of(extra.pop("tool_calls"), number, self._unused)
        if "function_call" in extra:
            calls = calls + one_call(extra.pop("function_call"), number, self._unused, "function_call")
        if calls:
            message["tool_calls"] = calls
        thought = "\n\n".join(said.thoughts) or _thought(extra)
        if thought:
            message |= dict.fromkeys(THOUGHTS, thought)  # each template reads the name that its family has for it
        if not has_words and not calls and not thought:
            raise ValueError(f"turn {number} has no text as its content")
        read.messages.append(message)

    def _result(self, said: Content, extra: dict[str, Any], number: int, read: Turns) -> None:
        if said.calls or said.thoughts:
            raise ValueError(f"turn {number} is the tool's, and has a part that only an answer has")
        own = [Result(said.words)] if said.parts or not said.results else []
        name = extra.pop("name") if isinstance(extra.get("name"), str) else None
        called = next((str(extra.pop(key)) for key in ID_KEYS if isinstance(extra.get(key), str | int)), None)
        for result in (*own, *said.results):
            read.messages.append(_result_message(result, name, called))

    def _asked(
        self, said: Content, has_words: bool, role: str, extra: dict[str, Any], number: int, read: Turns
    ) -> None:
        if said.calls or said.thoughts:
            raise ValueError(f"turn {number} is the {role}'s, and has a part that only an answer has")
        declared = [key for key in ("tools", "functions") if role == "system" and key in extra]
        for key in declared:
            read.tools += tools_of(extra.pop(key), f"{key} of turn {number}")
        if not has_words and not declared:
            raise ValueError(f"turn {number} has no text as its content")
        read.messages += [_result_message(result, None, None) for result in said.results]
        if said.parts or not (said.results or said.tools or declared):
            read.messages.append({"role": role, "content": said.words})

    def _weight(self, role: str, extra: dict[str, Any], read: Turns) -> None:
        """Take the weights of a turn out of `extra`; those that cannot be followed are named."""
        for key in WEIGHT_KEYS:
            weight = extra.get(key)
            if not isinstance(weight, bool | int | float):
                continue
            del extra[key]
            if weight not in (0, 1):
                self._unused.add(("row", f"{key} of turns other than 0 and 1"))
            elif role == "assistant" and not weight:
                read.untrained.add(len(read.messages) - 1)
            elif role != "assistant" and weight:
                self._unused.add(("row", f"{key} of turns that are no answers"))


def _thought(extra: dict[str, Any]) -> str:
    """The reasoning of an answer, which is taken out of `extra`."""
    found = [key for key in REASONING_KEYS if isinstance(extra.get(key), str)]
    thought: str = extra[found[0]] if found else ""
    for key in found:
        if extra[key] == thought:
            del extra[key]
    return thought


def _is_part(value: object) -> bool:
    return isinstance(value, Mapping) and "type" in value


def _result_message(result: Result, name: object, called: str | None) -> Message:
    message: Message = {"role": "tool", "content": result.words}
    name, called = result.tool or name, result.call_id or called
    if isinstance(name, str):
        message["name"] = name
    if called is not None:
        message["tool_call_id"] = called
    return message
