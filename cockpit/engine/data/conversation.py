"""One row of a dataset -> the turns of a conversation, its tools and images, or a plain text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cockpit.text.plain_text import plain_line

Message = dict[str, Any]
"""A turn: role; content, a text or a list of {"type": "text" | "image"} parts; tool_calls where it calls tools."""
ROLES = ("system", "user", "assistant", "tool")
ALIASES = {
    **dict.fromkeys(("human", "input", "prompter"), "user"),
    **dict.fromkeys(("gpt", "model", "bot", "chatgpt", "output", "function_call", "tool_call"), "assistant"),
    **dict.fromkeys(("observation", "function", "function_response", "tool_response", "ipython"), "tool"),
    "developer": "system",
}
"""What else the roles are called."""
CALLS = ("function_call", "tool_call")
OF_RESULT = ("tool_call_id", "name")
"""Which call returned what a tool's turn holds, and the tool's name."""
THOUGHTS = ("reasoning_content", "thinking")
"""What the reasoning before an answer is called, in rows and in templates (the second by gpt-oss)."""
IMAGE_MARK = "<image>"
"""Where in a text the next image of the row's image column stands."""


@dataclass(frozen=True)
class Conversation:
    """The turns, ending with an answer; what the model may call; references to the images in the turns' order."""

    messages: list[Message]
    tools: list[dict[str, Any]] = field(default_factory=list)
    images: list[Any] = field(default_factory=list)
    untrained: frozenset[int] = frozenset()
    """Answers that no loss is taken on, by their place in `messages`, counted from 0."""


def conversation_of(
    row: Mapping[str, Any], form: str, columns: Mapping[str, str], instruction: str | None = None
) -> Conversation | str:
    """The row's turns, ending with an answer; a plain text for the form `text`.

    `columns` names the column of each part: messages; prompt, input, completion; text; image, system, tools.
    `instruction` is the user's words for rows of image_text without a prompt. Raises ValueError with the end of a
    sentence that begins with the row's place.
    """
    match form:
        case "messages" | "sharegpt":
            turns = _with_system(_turns(row, columns["messages"]), row, columns)
            return _with_images(_checked(turns), row, columns, _tools(row, columns))
        case "image_text":
            return _image_and_text(row, columns, instruction)
        case "alpaca" | "prompt_completion":
            return Conversation(_checked(_with_system(_pair(row, columns), row, columns)))
        case "text":
            return _words(row, columns["text"])
    raise ValueError(f"rows of the form {form} cannot be trained on")


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


def _with_system(turns: list[Message], row: Mapping[str, Any], columns: Mapping[str, str]) -> list[Message]:
    words = row.get(columns["system"]) if "system" in columns else None
    if not isinstance(words, str) or not words.strip() or turns[0]["role"] == "system":
        return turns
    return [{"role": "system", "content": words}, *turns]


def _tools(row: Mapping[str, Any], columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """The tools as {"type": "function", "function": {name, description, parameters}}."""
    tools = row.get(columns["tools"]) if "tools" in columns else None
    if isinstance(tools, str):
        tools = _json(tools, columns["tools"]) if tools.strip() else []
    if tools is None:
        return []
    tools = [tools] if isinstance(tools, Mapping) else tools
    if not isinstance(tools, list) or not all(isinstance(one, Mapping) for one in tools):
        raise ValueError(f"{columns['tools']} is no list of tools")
    return [dict(one) if "function" in one else {"type": "function", "function": dict(one)} for one in tools]


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{name} is no complete JSON") from None


def _turns(row: Mapping[str, Any], column: str) -> list[Message]:
    turns = row.get(column)
    if not isinstance(turns, list):
        raise ValueError(f"{column} is no list of turns")
    if not turns:
        raise ValueError(f"{column} has no turns")
    return [_turn(turn, number) for number, turn in enumerate(turns, 1)]


def _turn(turn: Any, number: int) -> Message:
    if not isinstance(turn, Mapping):
        raise ValueError(f"turn {number} has no role and content")
    role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
    known = ALIASES.get(role.strip().lower(), role.strip().lower()) if isinstance(role, str) else role
    if known not in ROLES:
        shown = plain_line(repr(role)[:40])
        raise ValueError(f"turn {number} has the role {shown}; known are {', '.join(ROLES)}")
    if isinstance(role, str) and role.strip().lower() in CALLS:
        return _call(content, number)
    message: Message = {"role": known, "content": _content(content, number)}
    if calls := turn.get("tool_calls"):
        calls = _json(calls, f"tool_calls of turn {number}") if isinstance(calls, str) else calls
        if not isinstance(calls, list) or not all(isinstance(call, Mapping) for call in calls):
            raise ValueError(f"turn {number} has tool_calls that are no list of calls")
        message["tool_calls"] = [_called(call, number) for call in calls]
        message["content"] = message["content"] or ""
    if known == "tool":
        message |= {name: str(turn[name]) for name in OF_RESULT if turn.get(name)}
    thoughts = (turn.get(name) for name in THOUGHTS)
    thought = next((one for one in thoughts if isinstance(one, str) and one.strip()), None)
    if thought is not None and known == "assistant":
        message |= dict.fromkeys(THOUGHTS, thought)  # each template reads the name that its family has for it
    if message["content"] is None:
        raise ValueError(f"turn {number} has no text as its content")
    return message


def _content(content: Any, number: int) -> Any:
    """A text, a list of text and image parts, or None where there is none."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else None
    parts = []
    for part in content:
        if not isinstance(part, Mapping) or part.get("type") not in ("text", "image"):
            raise ValueError(f"turn {number} holds more than text and images")
        if part["type"] == "image":
            given = next((part[name] for name in ("image", "path", "bytes", "url") if part.get(name) is not None), None)
            parts.append({"type": "image"} if given is None else {"type": "image", "image": given})
        elif isinstance(part.get("text"), str):
            parts.append({"type": "text", "text": part["text"]})
    if any(part["type"] == "image" for part in parts):
        return parts
    return "".join(part["text"] for part in parts)


def _call(content: Any, number: int) -> Message:
    """ShareGPT's function_call: its value is the call, or a list of calls, as JSON; other words are an answer."""
    if not isinstance(content, str) or not content.strip():
        raise ValueError(f"turn {number} has no text as its content")
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {"role": "assistant", "content": content}
    calls = value if isinstance(value, list) else [value]
    if not calls or not all(isinstance(call, Mapping) and "name" in call for call in calls):
        return {"role": "assistant", "content": content}
    return {"role": "assistant", "content": "", "tool_calls": [_called(call, number) for call in calls]}


def _called(call: Mapping[str, Any], number: int) -> dict[str, Any]:
    """{"id", "type": "function", "function": {name, arguments}}, the arguments as an object, as templates take them;
    without an id where the row has none."""
    function = call.get("function", call)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ValueError(f"turn {number} calls a tool without a name")
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            arguments = {"arguments": arguments}
    ids = {"id": str(call["id"])} if call.get("id") else {}
    return {**ids, "type": "function", "function": {"name": function["name"], "arguments": arguments}}


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
    return bool(turn.get("tool_calls")) or any(part.strip() for part in texts_of(turn))


def texts_of(turn: Message) -> Iterator[str]:
    """The texts of a turn's content; none where it is None, as some templates want it beside calls."""
    content = turn["content"]
    if isinstance(content, str):
        yield content
    elif content is not None:
        yield from (part["text"] for part in content if part["type"] == "text")


def _with_images(
    turns: list[Message], row: Mapping[str, Any], columns: Mapping[str, str], tools: list[dict[str, Any]]
) -> Conversation:
    """The conversation with its images: those of the turns' parts, or of the row's column in their order."""
    column = row.get(columns["image"]) if "image" in columns else None
    spare = [one for one in (column if isinstance(column, list) else [column]) if one is not None]
    if not spare and all(isinstance(turn["content"], str) for turn in turns):
        return Conversation(turns, tools)
    if spare and not any(_has_place(turn) for turn in turns):
        first = next(turn for turn in turns if turn["role"] == "user")
        first["content"] = IMAGE_MARK * len(spare) + first["content"]
    images: list[Any] = []
    placed = []
    for turn in turns:
        parts = []
        for part in _parts(turn["content"], bool(column)):
            if part["type"] == "image":
                if "image" not in part and not spare:
                    raise ValueError("its turns have more images than the row gives")
                images.append(part["image"] if "image" in part else spare.pop(0))
            parts.append({"type": "image"} if part["type"] == "image" else part)
        placed.append({**turn, "content": parts})
    if spare:
        raise ValueError(f"it has {len(spare)} more images than places for them ({IMAGE_MARK}) in its turns")
    return Conversation(placed, tools, images)


def _has_place(turn: Message) -> bool:
    content = turn["content"]
    return not isinstance(content, str) or IMAGE_MARK in content


def _parts(content: Any, marked: bool) -> list[dict[str, Any]]:
    """The content as parts; with `marked`, an image stands at each IMAGE_MARK of a text."""
    if not isinstance(content, str):
        return list(content)
    pieces = content.split(IMAGE_MARK) if marked else [content]
    parts: list[dict[str, Any]] = []
    for number, piece in enumerate(pieces):
        parts += [{"type": "image"}] if number else []
        parts += [{"type": "text", "text": piece}] if piece.strip() else []
    return parts


def _words(row: Mapping[str, Any], column: str) -> str:
    words = row.get(column)
    if not isinstance(words, str) or not words.strip():
        raise ValueError(
            f"{column} is {'missing' if words is None else 'empty' if isinstance(words, str) else 'no text'}"
        )
    return words
