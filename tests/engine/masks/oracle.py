"""What of a conversation should be trained, told by words that nothing else in it has

The conversation is rendered with such words in place of its own. Between them stands what the template writes, in which
the texts of templates.py, taken down by hand, tell where an answer begins and ends. Then the real words are put back,
and the text must be the one that is judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.engine.masks.conversations import FIRST, WORD, Message, Twice
from tests.engine.masks.templates import EOS, Speech

_OWN = re.compile(f"[{chr(FIRST)}-{chr(FIRST + 3000)}]+")
_WRITTEN: list[Callable[[str], str]] = [
    lambda words: words,
    str.strip,
    lambda words: json.dumps(words, ensure_ascii=False)[1:-1],
    lambda words: repr(words)[1:-1],
    lambda words: json.dumps(json.dumps(words, ensure_ascii=False)[1:-1], ensure_ascii=False)[1:-1],
    lambda words: words.replace("\\", "\\\\").replace("'", "\\'"),
    lambda words: words.strip("\n"),
    lambda words: words.lstrip("\n"),
    str.lstrip,
    str.rstrip,
]
"""How a template may write words."""


class Unjudged(Exception):
    """The oracle cannot tell what should be trained."""


@dataclass(frozen=True)
class _Slot:
    number: int
    begin: int
    end: int


def trained_spans(
    text: str, own_text: str, pair: Twice, messages: list[Message], speech: Speech, eos: str
) -> list[tuple[int, int]]:
    """Characters [begin, end) of `text` that should be trained. `own_text` is what the template writes of the turns
    `messages`, with words of their own; `pair.owner` counts in them. Raises Unjudged."""
    slots = list(_slots(own_text))
    placed = _placed(text, own_text, slots, pair.words)
    last_turn = max((pair.owner[slot.number] for slot in slots), default=-1)
    spans = _wordless(own_text, slots, placed, pair, messages, speech, eos)
    at = 0
    while at < len(slots):
        turn = pair.owner[slots[at].number]
        first = at
        while at < len(slots) and pair.owner[slots[at].number] == turn:
            at += 1
        if messages[turn]["role"] != "assistant":
            continue
        before = own_text[slots[first - 1].end if first else 0 : slots[first].begin]
        after = own_text[slots[at - 1].end : slots[at].begin if at < len(slots) else len(own_text)]
        begin = _begin(before, speech, eos)
        said = {pair.owner[slot.number] for slot in slots}
        if begin == 0 and first and not said.issuperset(range(pair.owner[slots[first - 1].number], turn)):
            raise Unjudged("a turn without words stands before an answer without a head")
        if "" in speech.ends and own_text[slots[at - 1].begin : slots[at - 1].end] in _reasoning(messages[turn]):
            raise Unjudged("reasoning stands alone, and nothing closes it")
        is_last = at == len(slots) and turn == last_turn == len(messages) - 1
        end = _end(after, speech, eos, is_last=is_last, calls=_calls_last(messages[turn], own_text, slots[at - 1]))
        opens = placed[first][0] - (len(before) - begin)
        closes = placed[at - 1][1] + end
        spans.append((opens, opens + len(text[opens:closes].rstrip())))
    return spans


def _wordless(
    own_text: str,
    slots: list[_Slot],
    placed: list[tuple[int, int]],
    pair: Twice,
    messages: list[Message],
    speech: Speech,
    eos: str,
) -> list[tuple[int, int]]:
    """The answers of which nothing but their end is written."""
    spans = []
    owners = [pair.owner[slot.number] for slot in slots]
    said = {turn: owners.index(turn) for turn in owners}
    for turn, message in enumerate(messages):
        if message["role"] != "assistant" or turn in said or str(message.get("content") or "").strip():
            continue
        if message.get("tool_calls"):
            raise Unjudged("calls are not written")
        last = max((at for at, owner in enumerate(owners) if owner < turn), default=-1)
        begin, closed = slots[last].end if last >= 0 else 0, placed[last][1] if last >= 0 else 0
        gap = own_text[begin : slots[last + 1].begin if last + 1 < len(slots) else len(own_text)]
        at = 0
        for between in range(owners[last] if last >= 0 else 0, turn + 1):
            if messages[between]["role"] != "assistant":
                continue
            if between == turn or between not in said:
                head = max(speech.heads, key=lambda one: (one in gap[at:], len(one))).replace(EOS, eos)
                if head not in gap[at:] or not head:
                    raise Unjudged("nothing opens an answer without words")
                at = gap.index(head, at) + len(head)
            first = at
            is_last = between == len(messages) - 1
            at += len(speech.bare) if between == turn and speech.bare else 0
            at += _end(gap[at:], speech, eos, is_last=is_last, calls=bool(messages[between].get("tool_calls")))
        spans.append((closed + first, closed + at))
    return spans


def _slots(own_text: str) -> Iterator[_Slot]:
    for found in _OWN.finditer(own_text):
        for begin in range(found.start(), found.end(), WORD):
            number, rest = divmod(ord(own_text[begin]) - FIRST, WORD)
            whole = own_text[begin : begin + WORD] == "".join(chr(FIRST + number * WORD + at) for at in range(WORD))
            if rest or not whole:
                raise Unjudged("words are cut")
            yield _Slot(number, begin, begin + WORD)


def _placed(text: str, own_text: str, slots: list[_Slot], words: list[str]) -> list[tuple[int, int]]:
    """Where each slot's real words stand in `text`. Raises Unjudged."""
    literals = [
        own_text[a:b] for a, b in zip([0, *(s.end for s in slots)], [*(s.begin for s in slots), None], strict=True)
    ]
    if not text.startswith(literals[0]):
        raise Unjudged("the template minds the words")
    tried: list[tuple[int, int, int]] = []  # begin, end, which way of writing
    at, way = len(literals[0]), 0
    while len(tried) < len(slots):
        slot = slots[len(tried)]
        following = literals[len(tried) + 1]
        is_last = len(tried) + 1 == len(slots)
        ways = list(dict.fromkeys(write(words[slot.number]) for write in _WRITTEN))
        for number in range(way, len(ways)):
            written = ways[number]
            end = at + len(written)
            fits = text.startswith(written + following, at) and (not is_last or end + len(following) == len(text))
            if fits:
                tried.append((at, end, number))
                at, way = end + len(following), 0
                break
        else:
            if not tried:
                raise Unjudged("the template minds the words")
            at, _, number = tried.pop()
            way = number + 1
    return [(begin, end) for begin, end, _ in tried]


def _begin(before: str, speech: Speech, eos: str) -> int:
    """Where in `before` the model begins to speak; a blank that ends the head is the model's."""
    found = []
    for head in speech.heads:
        head = head.replace(EOS, eos)  # noqa: PLW2901
        if head in before:
            found.append(before.rindex(head) + len(head.rstrip(" ")) if head else 0)
    if not found and before:
        raise Unjudged(f"nothing opens the answer in {before!r}")
    return max(found, default=0)


def _end(after: str, speech: Speech, eos: str, *, is_last: bool, calls: bool) -> int:
    ends = speech.ends
    if calls and speech.calls:
        ends = speech.calls
    elif is_last and speech.last:
        ends = speech.last
    for end in ends:
        end = end.replace(EOS, eos)  # noqa: PLW2901
        if end in after:
            return after.index(end) + len(end)
    raise Unjudged(f"nothing closes the answer in {after!r}")


def _reasoning(message: Message) -> str:
    return "".join(str(message.get(name) or "") for name in ("thinking", "reasoning_content"))


def _calls_last(message: Message, own_text: str, slot: _Slot) -> bool:
    """Whether the turn's last words are those of a call."""
    own = own_text[slot.begin : slot.end]
    said = (message.get("content") or "", *(message.get(name) or "" for name in ("thinking", "reasoning_content")))
    return bool(message.get("tool_calls")) and not any(own in str(one) for one in said)


def trained_tokens(row: Any) -> set[int]:
    """The places of the tokens that a loss is taken on."""
    return {at for at, label in enumerate(row.labels) if label != -100}


def wanted_tokens(row: Any, spans: list[tuple[int, int]]) -> set[int]:
    """The places of the tokens that stand wholly in a span."""
    return {
        at
        for at, (begin, end) in enumerate(row.offsets)
        if begin < end and any(first <= begin and end <= last for first, last in spans)
    }
