"""Which tokens end a turn: one answer for our chat and for what is exported"""

from __future__ import annotations

from typing import Any

from cockpit.engine.data.chat_template import ChatTemplate


def turn_end_ids(named: int | list[int] | tuple[int, ...] | None, tokenizer: Any, reply_end: str | None) -> list[int]:
    """All tokens that end a turn, each once: those that the model's generation_config has `named`, the tokenizer's, and
    the template's `reply_end` where it is one token."""
    ids = list(named) if isinstance(named, list | tuple) else [] if named is None else [named]
    ids.append(tokenizer.eos_token_id)
    if reply_end:
        ids_of_end = tokenizer(reply_end, add_special_tokens=False)["input_ids"]
        ids += ids_of_end if len(ids_of_end) == 1 else []
    return list(dict.fromkeys(token for token in ids if token is not None))


def reply_end_of(tokenizer: Any) -> str:
    """What the tokenizer's chat template ends a reply with; empty where it has none or writes nothing there."""
    if not tokenizer.chat_template:
        return ""
    try:
        return ChatTemplate(tokenizer).markers.reply_end
    except ValueError:
        return ""
