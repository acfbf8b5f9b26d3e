"""A reply as the model writes it -> its reasoning and its answer, apart, as the chat template marks them"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.message import THOUGHTS, Message

MOST_BLANKS = 8
"""Blanks before a mark that are waited through."""
_QUESTION, _THOUGHT, _ANSWER = "Question7319", "Thought7319", "Answer7319"


@dataclass(frozen=True)
class ThinkingMarks:
    """What stands before the reasoning, between it and the answer, and before an answer without any; without the blanks
    around them."""

    opens: str = "<think>"
    closes: str = "</think>"
    answers: str = ""

    @classmethod
    def of(cls, template: ChatTemplate) -> ThinkingMarks:
        """As the template writes them; the usual ones where it leaves reasoning out."""
        question: Message = {"role": "user", "content": _QUESTION}
        answer: Message = {"role": "assistant", "content": _ANSWER}
        head = template.markers.response_part
        plain = _rendered(template, [question, answer])
        before = plain[: plain.find(_ANSWER)].rpartition(head)[2].strip() if _ANSWER in plain and head else ""
        text = _rendered(template, [question, {**answer, **dict.fromkeys(THOUGHTS, _THOUGHT)}])
        thought, answered = text.find(_THOUGHT), text.rfind(_ANSWER)
        opens, closes = cls.opens, cls.closes
        if 0 <= thought < answered and head:
            found = text[:thought].rpartition(head)[2].strip(), text[thought + len(_THOUGHT) : answered].strip()
            opens, closes = found if all(found) else (opens, closes)
        return cls(opens, closes, "" if before.startswith(opens) else before)


USUAL_MARKS = ThinkingMarks()


class ThinkingSplit:
    """Takes a reply's text piece by piece, special tokens included, and gives reasoning and answer, without these."""

    def __init__(self, marks: ThinkingMarks, special: list[str], prompt: str) -> None:
        """`prompt` may have opened the reasoning already; `special` are the texts of tokens that are never shown."""
        self._marks = marks
        self._special = re.compile(
            "|".join(map(re.escape, sorted(filter(None, special), key=len, reverse=True))) or "$^"
        )
        self._beginnings = {text[:size] for text in special for size in range(1, len(text))}
        self._longest_beginning = max(map(len, self._beginnings), default=0)
        self._place = "thought" if prompt.rstrip().endswith(marks.opens) else "head"
        self._held = ""
        self._begun = False

    def feed(self, piece: str) -> tuple[str, str]:
        """(reasoning, answer) that `piece` adds."""
        self._held += piece
        thought = answer = ""
        if self._place == "head":
            self._leave_head()
        if self._place == "thought":
            thought = self._take_thought()
        if self._place == "answer":
            end = len(self._held) - self._begun_special(self._held)
            answer, self._held = self._shown(self._held[:end]), self._held[end:]
        return thought, answer

    def end(self) -> tuple[str, str]:
        """What was held back for the rest of a mark or a special text that never came."""
        self._begun = self._begun or self._place == "head"
        rest, self._held = self._shown(self._held), ""
        return (rest, "") if self._place == "thought" else ("", rest)

    def _leave_head(self) -> None:
        """The reply's beginning says what comes."""
        text, marks = self._held.lstrip(), self._marks
        for mark, place in ((marks.opens, "thought"), (marks.answers, "answer")):
            if mark and text.startswith(mark):
                self._place, self._held = place, text[len(mark) :]
                return
        is_blank_reply = not text and len(self._held) > MOST_BLANKS
        if is_blank_reply or not any(mark.startswith(text) for mark in (marks.opens, marks.answers)):
            self._place = "answer"
            self._begun = True  # blanks that begin a plain reply are its own

    def _take_thought(self) -> str:
        thought, mark, rest = self._held.partition(self._marks.closes)
        if mark:
            self._place, self._held = "answer", rest
            shown = self._shown(thought).rstrip()
            self._begun = False
            return shown
        end = len(thought) - max(_begun_at_end(thought, self._marks.closes), self._begun_special(thought))
        end -= len(thought[:end]) - len(thought[:end].rstrip())  # blanks before the mark are not shown
        self._held = thought[end:]
        return self._shown(thought[:end])

    def _begun_special(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a special text, which may take more than one
        token."""
        sizes = range(min(self._longest_beginning, len(text)), 0, -1)
        return next((size for size in sizes if text[-size:] in self._beginnings), 0)

    def _shown(self, text: str) -> str:
        """Without special tokens, and without the blanks that part reasoning and answer."""
        text = self._special.sub("", text)
        if not self._begun:
            text = text.lstrip()
            self._begun = bool(text)
        return text


def special_texts(tokenizer: Any) -> list[str]:
    """The texts of the tokenizer's special tokens."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    return [*map(str, tokenizer.all_special_tokens), *(str(token) for token in added if token.special)]


def _begun_at_end(text: str, mark: str) -> int:
    """How many characters at the end of `text` may be the beginning of `mark`."""
    return next((size for size in range(min(len(mark) - 1, len(text)), 0, -1) if text.endswith(mark[:size])), 0)


def _rendered(template: ChatTemplate, messages: list[Message]) -> str:
    try:
        return template.render(messages)
    except Exception:
        return ""
