"""Where a template itself says that the model speaks, with {% generation %}: for rows where nothing else tells it"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from cockpit.engine.data.anchors import Anchored, Read
from cockpit.engine.data.answer_spans import Answer, Tools
from cockpit.engine.data.message import Message

_MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")


def marked_answers(tokenizer: Any, conversation: Anchored, tools: Tools, read: Read) -> list[Answer] | None:
    """The answers as the template marks them; None where it marks none, or not just the words of the answers."""
    template = tokenizer.chat_template
    if not isinstance(template, str) or not _MARK.search(template) or not read.anchors:
        return None
    text, ranges = _rendered(tokenizer, template, conversation.messages, tools)
    if conversation.without(text) != read.text:
        return None
    answers: list[Answer] = []
    inside: set[int] = set()
    for begin, end in ranges:
        first, last = len(conversation.without(text[:begin])), len(conversation.without(text[:end].rstrip()))
        here = [anchor for anchor in read.anchors if first <= anchor.at <= last]
        turns = {anchor.place.turn for anchor in here}
        if len(turns) > 1 or (not turns and not answers):
            return None
        inside |= {anchor.number for anchor in here}
        turn = turns.pop() if turns else answers[-1].turn  # an end of text alone, after the last answer
        ended = not here or bool(read.text[here[-1].at : last].strip())
        if answers and (answers[-1].turn, answers[-1].end) == (turn, first):
            first = answers.pop().begin
        answers.append(Answer(turn, first, last, ended))
    said = {anchor.number for anchor in read.anchors if conversation.messages[anchor.place.turn]["role"] == "assistant"}
    return answers if inside == said else None


def _rendered(
    tokenizer: Any, template: str, messages: Sequence[Message], tools: Tools
) -> tuple[str, list[tuple[int, int]]]:
    from transformers.utils.chat_template_utils import render_jinja_template

    texts, ranges = render_jinja_template(
        conversations=[list(messages)],
        tools=[dict(tool) for tool in tools] or None,
        chat_template=template,
        return_assistant_tokens_mask=True,
        **tokenizer.special_tokens_map,
    )
    return texts[0], ranges[0]
