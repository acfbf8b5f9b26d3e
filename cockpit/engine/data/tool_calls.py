"""Calls of tools, and the tools themselves, in the forms that data has them in -> as chat templates take them"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cockpit.data.row_layout import has_value
from cockpit.engine.data.not_used import Unused

ARGUMENTS = ("arguments", "parameters", "input", "args")
"""What the arguments of a call are called: by OpenAI, by Llama, by Anthropic, by others."""
CALL_KEYS = {"id", "tool_call_id", "type", "function", "name", *ARGUMENTS}
SCHEMAS = ("parameters", "input_schema", "inputSchema")
"""What the schema of a tool's arguments is called: by OpenAI, by Anthropic, by MCP."""


def parsed(text: str, name: str) -> Any:
    """What JSON text holds. Raises ValueError with the end of a sentence; `name` is what the text is."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{name} is no complete JSON") from None


def calls_of(value: Any, number: int, unused: set[Unused], name: str = "tool_calls") -> list[dict[str, Any]]:
    """The calls of turn `number`: a list of them, or its JSON text. Their keys that mean nothing here go into `unused`.

    Raises ValueError with the end of a sentence.
    """
    value = parsed(value, f"{name} of turn {number}") if isinstance(value, str) else value
    if not isinstance(value, list) or not all(isinstance(call, Mapping) for call in value):
        raise ValueError(f"turn {number} has {name} that are no list of calls")
    return [_call(call, number, unused) for call in value]


def one_call(value: Any, number: int, unused: set[Unused], name: str) -> list[dict[str, Any]]:
    """The call of turn `number`, or a list of calls, or JSON text of either. Raises ValueError likewise."""
    value = parsed(value, f"{name} of turn {number}") if isinstance(value, str) else value
    return calls_of([value] if isinstance(value, Mapping) else value, number, unused, name)


def calls_in_words(text: str, number: int, unused: set[Unused]) -> list[dict[str, Any]]:
    """The calls that a text is the JSON of, as ShareGPT's function_call has them; none where it is other words."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    calls = value if isinstance(value, list) else [value]
    if not all(isinstance(call, Mapping) and ("name" in call or "function" in call) for call in calls):
        return []
    return [_call(call, number, unused) for call in calls]


def _call(call: Mapping[str, Any], number: int, unused: set[Unused]) -> dict[str, Any]:
    """{"id", "type": "function", "function": {name, arguments}}, the arguments as an object where they are JSON text;
    an id only where there is one."""
    function = call.get("function", call)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ValueError(f"turn {number} calls a tool without a name")
    arguments: Any = next((function[key] for key in ARGUMENTS if function.get(key) is not None), {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError):
            arguments = {"arguments": arguments}
    for key, value in (*call.items(), *(function.items() if function is not call else ())):
        if key not in CALL_KEYS and has_value(value):
            unused.add(("turn", f"{key} of calls"))
    named = call.get("id") or call.get("tool_call_id")
    ids = {"id": str(named)} if isinstance(named, str | int) else {}
    return {**ids, "type": "function", "function": {"name": function["name"], "arguments": arguments}}


def tools_of(tools: Any, name: str) -> list[dict[str, Any]]:
    """Tools as {"type": "function", "function": {name, description, parameters}}. They may be one, a list, the JSON
    text of either, or a list of such texts. Raises ValueError with the end of a sentence; `name` is their column."""
    if isinstance(tools, str):
        tools = parsed(tools, name) if tools.strip() else []
    if tools is None:
        return []
    tools = [tools] if isinstance(tools, Mapping) else tools
    if isinstance(tools, list):
        tools = [parsed(one, name) if isinstance(one, str) else one for one in tools]
    if not isinstance(tools, list) or not all(isinstance(one, Mapping) for one in tools):
        raise ValueError(f"{name} is no list of tools")
    return [dict(one) if "function" in one else {"type": "function", "function": _declared(one)} for one in tools]


def _declared(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A bare tool; its schema under OpenAI's name."""
    schema = next((key for key in SCHEMAS if key in tool), None)
    if schema in (None, "parameters"):
        return dict(tool)
    return {("parameters" if key == schema else key): value for key, value in tool.items()}
