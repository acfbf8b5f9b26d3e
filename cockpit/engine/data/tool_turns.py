"""Tools, calls and what tools return, in the form in which a chat template takes them; found by trying it"""

from __future__ import annotations

import functools
import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cockpit.engine.data.conversation import Conversation, texts_of
from cockpit.engine.data.markers import Render
from cockpit.engine.data.message import Message

_QUESTION, _ANSWER = "Question7319 one", "Answer7319 one"
_TOOL, _RESULT, _VALUE = "probe7319", "Result7319", "Value7319"
_ARGUMENTS = {"town": _VALUE}
_DECLARED = {"name": _TOOL, "description": "probe", "parameters": {"type": "object", "properties": {}}}
_ID, _MISTRAL_ID_LETTERS = "call_7319_probe", 9
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class CallForm:
    """How a template wants its calls."""

    needs_ids: bool = False
    """Whether a call without an id is refused."""
    short_ids: bool = False
    """Whether an id must be nine letters and digits (Mistral)."""
    arguments_as_text: bool = False
    """Whether the arguments are JSON as a text, not an object (DeepSeek)."""
    no_empty_words: bool = False
    """Whether a turn that only calls has None as its content."""


FORMS = [
    CallForm(needs_ids, short_ids, as_text, no_words)
    for no_words in (False, True)
    for as_text in (False, True)
    for needs_ids, short_ids in ((False, False), (True, False), (True, True))
]
"""The usual one first; a template is given the first that it writes."""


class ToolTurns:
    """Puts a conversation into the form that one template takes."""

    def __init__(self, render: Render) -> None:
        self._render = render

    def adapted(self, conversation: Conversation) -> Conversation:
        """The conversation as the template can write it. Where it knows no tools, they stand in the system turn as
        JSON, a call is its JSON as an answer, and what a tool returned is said by the user."""
        messages, tools, untrained = conversation.messages, conversation.tools, conversation.untrained
        if tools and not self._takes_tools:
            declared = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
            first = messages[0] if messages[0]["role"] == "system" else {"role": "system", "content": ""}
            words = "\n\n".join(filter(None, ("".join(texts_of(first)).strip(), f"Tools:\n{declared}")))
            added = first is not messages[0]
            messages = [{"role": "system", "content": words}, *messages[not added :]]
            untrained = frozenset(turn + added for turn in untrained)
            tools = []
        if any(message.get("tool_calls") for message in messages):
            form = self._call_form
            if form is None:
                messages = [_call_in_words(message) if message.get("tool_calls") else message for message in messages]
            else:
                messages = _in_form(messages, form)
        if not self._takes_results:
            messages = [
                {"role": "user", "content": turn["content"]} if turn["role"] == "tool" else turn for turn in messages
            ]
        return replace(conversation, messages=messages, tools=tools, untrained=untrained)

    @functools.cached_property
    def _takes_tools(self) -> bool:
        asked: list[Message] = [{"role": "user", "content": _QUESTION}]
        return _TOOL in self._tried(asked, [{"type": "function", "function": _DECLARED}])

    @functools.cached_property
    def _call_form(self) -> CallForm | None:
        """None where it writes no calls."""
        return next((form for form in FORMS if self._writes_call(form)), None)

    def _writes_call(self, form: CallForm) -> bool:
        text = self._tried(_probe(form), ())
        # An object that is written as Python has it, and no JSON, was meant to be a text.
        return _TOOL in text and _VALUE in text and repr(_ARGUMENTS) not in text

    @functools.cached_property
    def _takes_results(self) -> bool:
        form = self._call_form
        turns = _probe(form or CallForm())
        if form is None:
            turns = [turns[0], _call_in_words(turns[1]), *turns[2:]]
        return _RESULT in self._tried(turns, ())

    def _tried(self, messages: list[Message], tools: Sequence[Mapping[str, Any]]) -> str:
        """What is written; empty where the turns are refused."""
        try:
            return self._render(messages, tools)
        except Exception:
            return ""


def _probe(form: CallForm) -> list[Message]:
    """A question, a call, its result and an answer. The call has an id of its own where the form asks for one: what
    takes any id takes this one too."""
    ids = {"id": _ID} if form.needs_ids else {}
    call = {**ids, "type": "function", "function": {"name": _TOOL, "arguments": _ARGUMENTS}}
    of_call = {"tool_call_id": _ID, "name": _TOOL} if form.needs_ids else {}
    turns: list[Message] = [
        {"role": "user", "content": _QUESTION},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": _RESULT, **of_call},
        {"role": "assistant", "content": _ANSWER},
    ]
    return _in_form(turns, form)


def _in_form(messages: list[Message], form: CallForm) -> list[Message]:
    """The turns with their calls, and the ids of what these returned, as `form` has them."""
    taken: list[Message] = []
    open_ids: list[str] = []
    for turn, given in enumerate(messages):
        message = given
        if message.get("tool_calls"):
            calls = [_call(call, form, f"{turn}-{number}") for number, call in enumerate(message["tool_calls"])]
            open_ids = [call["id"] for call in calls if "id" in call]
            message = {**message, "tool_calls": calls}
            if not any(text.strip() for text in texts_of(message)):
                message["content"] = None if form.no_empty_words else ""  # blanks alone are no words
        elif message["role"] == "tool" and form.needs_ids:
            own = _fitted_id(str(given.get("tool_call_id") or ""), form)
            own = own if own in open_ids or not open_ids else open_ids[0]
            if own:
                open_ids = [one for one in open_ids if one != own]
                message = {**message, "tool_call_id": own}
        taken.append(message)
    return taken


def _call(call: Mapping[str, Any], form: CallForm, place: str) -> dict[str, Any]:
    made = dict(call)
    if form.needs_ids:
        made["id"] = _fitted_id(call.get("id") or place, form)
    arguments = call["function"]["arguments"]
    if form.arguments_as_text and not isinstance(arguments, str):
        made["function"] = {**call["function"], "arguments": json.dumps(arguments, ensure_ascii=False)}
    return made


def _fitted_id(given: str, form: CallForm) -> str:
    """The id as it is, where the template takes it; else nine letters and digits made of it."""
    fits = not given or (len(given) == _MISTRAL_ID_LETTERS and given.isalnum() and given.isascii())
    if fits or not form.short_ids:
        return given
    digest = hashlib.sha256(given.encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:_MISTRAL_ID_LETTERS])


def _call_in_words(message: Message) -> Message:
    calls = [json.dumps(call["function"], ensure_ascii=False) for call in message["tool_calls"]]
    words = "\n".join(filter(None, ("".join(texts_of(message)).strip(), *calls)))
    return {**{name: value for name, value in message.items() if name != "tool_calls"}, "content": words}
