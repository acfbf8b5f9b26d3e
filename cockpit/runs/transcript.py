"""A conversation as Markdown for people, and as JSONL: role/content rows that can be trained on"""

from __future__ import annotations

import json

from cockpit.runs.conversation import Conversation, Turn
from cockpit.runs.state import Reply

NAMES = {True: "tuned", False: "base"}


def as_markdown(talk: Conversation, replies: dict[str, Reply], *, title: str = "Chat", system: str = "") -> str:
    """All prompts, and all replies to each under the name of who gave them; reasoning is quoted."""
    parts = [f"# {title}"]
    if system.strip():
        parts.append(f"**system**\n\n{system.strip()}")
    for turn in talk.turns:
        parts.append(f"**you**\n\n{turn.shown.strip()}")
        for reply in _replies(turn, replies):
            thought = "".join(f"> {line}\n" for line in reply.thinking.strip().splitlines())
            parts.append(f"**{NAMES[reply.adapter]}**\n\n{thought}{chr(10) * bool(thought)}{reply.text.strip()}")
    return "\n\n".join(parts) + "\n"


def as_jsonl(talk: Conversation, replies: dict[str, Reply], *, title: str = "Chat", system: str = "") -> str:
    """A line for each who answered: the conversation as `messages`, which cockpit trains as it stands."""
    lines = []
    for adapter, name in NAMES.items():
        messages: list[dict[str, str]] = [{"role": "system", "content": system}] if system.strip() else []
        for turn in talk.turns:
            own = [reply for reply in _replies(turn, replies) if reply.adapter == adapter and reply.text.strip()]
            if own:
                thought = own[-1].thinking.strip()
                reasoned = {"reasoning_content": thought} if thought else {}
                messages += [turn.message, {"role": "assistant", "content": own[-1].text, **reasoned}]
        if any(message["role"] == "assistant" for message in messages):
            lines.append(json.dumps({"messages": messages, "by": name, "title": title}, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)


def _replies(turn: Turn, replies: dict[str, Reply]) -> list[Reply]:
    asked = [id_ for one in turn.rounds for id_ in one.values()]
    return [replies[id_] for id_ in asked if id_ in replies]
